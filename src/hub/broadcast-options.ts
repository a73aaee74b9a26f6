import type { WebSocketConnection } from '../connection/connection.ts'
import type { AnyConnection } from '../connection/underlying.ts'
import { assertDeliveryOptions, DELIVERY_KEYS, type DeliveryOptions } from '../internal/delivery.ts'
import { describe, errors } from '../internal/errors.ts'
import type { MessageType } from '../internal/message.ts'
import { assertKeys } from '../internal/validate.ts'
import { assertLocal } from './argument-checks.ts'

/** Who gets a broadcast, and as which type of message. */
export interface BroadcastOptions extends DeliveryOptions {
  /** `TextMessage` or `BinaryMessage`. @default TextMessage */
  type?: MessageType
  /**
   * Only the members of this room get it, or the connection with this `id` on any node. It may be a list of up to 1024 rooms and
   * ids; each connection gets the message once. @default all clients
   */
  to?: string | readonly string[]
  /** These do not get it: connections, or `id`s of connections on any node, 1024 at most. @default none */
  except?: AnyConnection | string | readonly (AnyConnection | string)[]
  /**
   * Only the clients for which it returns true get it. It is called for all of them before anything is sent. Only clients of this
   * node get a broadcast with a filter, because a function cannot be sent to other nodes. @default none
   */
  filter?: (ws: WebSocketConnection) => boolean
  /** Only the clients of this node get it. @default false */
  local?: boolean
}

const KEYS = ['type', 'to', 'except', 'filter', 'local', ...DELIVERY_KEYS]

/** Throws for an unknown option or a wrong type. A mistake in the options must not send the message to all clients. */
export function assertBroadcastOptions(options: BroadcastOptions): void {
  assertKeys('options', options, KEYS)
  assertLocal(options.local)
  assertDeliveryOptions(options)
  if (options.filter !== undefined && typeof options.filter !== 'function') {
    throw new errors.INVALID_ARGUMENT('filter', `must be a function, got ${describe(options.filter)}`)
  }
}
