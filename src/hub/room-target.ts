import type { AnyContract, Data, In, Of } from '../contract/types.ts'
import type { StreamTarget } from '../history/stream-target.ts'
import type { BroadcastOptions } from './broadcast-options.ts'

/** The rooms and ids that were passed to `hub.to()`. */
export interface RoomTarget extends StreamTarget {
  /** Sends to these rooms and ids. See `WebSocketHub.broadcast`. */
  broadcast(data: string | Uint8Array, options?: Omit<BroadcastOptions, 'to'>): number
  /** Sends a value as JSON to these rooms and ids. See `WebSocketHub.broadcastJSON`. */
  broadcastJSON(value: unknown, options?: Omit<BroadcastOptions, 'to'>): number
  /** Sends an event of a contract to these rooms and ids. See `WebSocketHub.broadcast`. */
  broadcast<C extends AnyContract, E extends keyof Of<C, 'fromServer'> & string>(
    contract: C,
    event: E,
    ...data: Data<In<Of<C, 'fromServer'>[E]>, [options?: Omit<BroadcastOptions, 'to' | 'type'>]>
  ): number
}
