import type { AnyContract, Data, In, Of } from '../contract/types.ts'
import type { StreamOptions } from './publish-arguments.ts'
import type { Published } from './streams.ts'

/** A room that was named with `to()`, of a hub or of a publisher. */
export interface StreamTarget {
  /** Stores a message in the history of the room, and sends it to the members of all nodes. See `WebSocketHub.publish`. */
  publish(data: string | Uint8Array, options?: StreamOptions): Promise<Published>
  /** Stores an event of a contract, and sends it to the members of all nodes. See `WebSocketHub.publish`. */
  publish<C extends AnyContract, E extends keyof Of<C, 'fromServer'> & string>(
    contract: C,
    event: E,
    ...data: Data<In<Of<C, 'fromServer'>[E]>, [options?: Omit<StreamOptions, 'type'>]>
  ): Promise<Published>
}
