import type { Broker } from '../brokers/broker.ts'
import { takeOwnership } from '../brokers/ownership.ts'
import { checkHubName } from './hub-name.ts'
import { assertSendable, CloseCode, fitReason } from '../internal/close-codes.ts'
import { assertDataType, jsonOf, ownCopy, payloadOf } from '../internal/payload.ts'
import { errors } from '../internal/errors.ts'
import { assertKeys } from '../internal/validate.ts'
import { type DataType, TextMessage } from '../internal/message.ts'
import { closePayload, Kind, limitOf } from './wire/envelope.ts'
import { excludedIdsFromOptions, targetsFromOptions } from '../internal/targets.ts'
import { Channels } from './wire/channels.ts'
import { type Message, Sender } from './wire/sender.ts'

/** The options of a broadcast by a publisher. */
export interface PublishOptions {
  /** @default TextMessage */
  type?: DataType
  /** Only to the members of this room, or to the connection with this `id`. With several, to each once. */
  to?: string | readonly string[]
  /** Not to the connections with these ids. */
  except?: string | readonly string[]
}

/** The targets that `to()` was called with. */
export interface PublisherTarget {
  broadcast(data: string | Uint8Array, options?: Omit<PublishOptions, 'to'>): Promise<void>
  broadcastJSON(value: unknown, options?: Omit<PublishOptions, 'to'>): Promise<void>
}

/** Sends to the clients of a cluster from a process without a hub: a worker, a cron job, another service. */
export interface Publisher {
  /**
   * Sends to all clients of all nodes, or to those that the options name. Resolves when the engine has accepted the message.
   *
   * @throws FST_BLAZE_WS_BROKER_UNAVAILABLE, or the error of the client library (as a rejection, like the others).
   * @throws FST_BLAZE_WS_MESSAGE_TOO_LONG if the engine does not take messages of this size.
   * @throws TypeError if the data is neither a string nor bytes, or if bytes to be sent as text are not UTF-8.
   */
  broadcast(data: string | Uint8Array, options?: PublishOptions): Promise<void>
  /** Sends a value as JSON. See `broadcast`. */
  broadcastJSON(value: unknown, options?: PublishOptions): Promise<void>
  /** Names the targets to send to: a room, the `id` of a connection, or several of these. */
  to(room: string | readonly string[]): PublisherTarget
  /** Disconnects the members of rooms, and connections named by their `id`, on all nodes. @default code 1008, reason 'disconnected' */
  disconnect(room: string | readonly string[], code?: number, reason?: string): Promise<void>
  /** Sends what is pending, and closes the broker. */
  close(): Promise<void>
}

/** The options of a publisher. */
export interface PublisherOptions {
  /** The `name` of the hub to publish to. @default none: `app.wsHub` of the servers */
  hub?: string | undefined
}

const KEYS = ['type', 'to', 'except']

/**
 * Creates a publisher with a broker of its own.
 *
 * @param publisherOptions.hub the `name` of the hub to publish to. @default `app.wsHub` of the servers
 * @throws FST_BLAZE_WS_BROKER_IN_USE if a hub or another publisher has the broker.
 * @throws TypeError if `broker` is not a broker.
 */
export function createPublisher(broker: Broker, publisherOptions: PublisherOptions = {}): Publisher {
  assertKeys('options', publisherOptions, ['hub'])
  const { hub } = publisherOptions
  if (hub !== undefined) checkHubName(hub, 'hub')
  takeOwnership(broker)
  let isClosed = false
  const pending: Promise<void>[] = []
  const sender = new Sender(new Channels(hub), {
    accepts(size) {
      const limit = limitOf(broker)
      if (size > limit) throw new errors.MESSAGE_TOO_LONG(size, limit)
      return true
    },
    publish: (channel, message) => void pending.push(broker.publish(channel, message))
  })
  const publish = async (targets: readonly string[] | undefined, message: Message): Promise<void> => {
    if (isClosed) throw new errors.BROKER_UNAVAILABLE('the publisher is closed')
    try {
      sender.broadcast(targets, message)
    } finally {
      // If the message is too long for one of its channels, it is on its way on others.
      await Promise.all(pending.splice(0))
    }
  }
  const publisher: Publisher = {
    async broadcast(data, options = {}) {
      assertKeys('options', options, KEYS)
      const { type = TextMessage } = options
      assertDataType(type)
      const targets = targetsFromOptions(options)
      const payload = ownCopy(payloadOf(type, data))
      await publish(targets, { kind: type, payload, ids: excludedIdsFromOptions(options) })
    },
    broadcastJSON: async (value, options) => publisher.broadcast(jsonOf(value), options),
    to: (room) => ({
      broadcast: (data, options) => publisher.broadcast(data, { ...options, to: room }),
      broadcastJSON: (value, options) => publisher.broadcastJSON(value, { ...options, to: room })
    }),
    async disconnect(room, code = CloseCode.PolicyViolation, reason = 'disconnected') {
      const targets = targetsFromOptions({ to: room })
      assertSendable(code, reason)
      await publish(targets, { kind: Kind.Disconnect, payload: closePayload(code, fitReason(reason)), ids: [] })
    },
    close() {
      isClosed = true
      return broker.close()
    }
  }
  return publisher
}
