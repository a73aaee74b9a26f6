import type { Broker } from '../brokers/broker.ts'
import { takeOwnership } from '../brokers/ownership.ts'
import { checkHubName } from './hub-name.ts'
import { assertSendable, CloseCode, fitReason } from '../internal/close.ts'
import { assertDataType, jsonOf, ownCopy, payloadOf } from '../internal/payload.ts'
import { errors } from '../internal/errors.ts'
import { assertKeys } from '../internal/validate.ts'
import { type DataType, TextMessage } from '../internal/message.ts'
import { closePayload, Kind, limitOf } from './wire/envelope.ts'
import { excludedIdsFrom, targetsFrom } from '../internal/targets.ts'
import { Channels } from './wire/channels.ts'
import { type Message, Sender } from './wire/sender.ts'

/** Who gets what is published, and as what. */
export interface PublishOptions {
  /** @default TextMessage */
  type?: DataType
  /** Only to the members of this room, or to the connection with this `id`. With several, to each once. */
  to?: string | readonly string[]
  /** Not to the connections with these ids. */
  except?: string | readonly string[]
}

/** What `to()` was given, to publish to. */
export interface PublisherTarget {
  broadcast(data: string | Uint8Array, options?: Omit<PublishOptions, 'to'>): Promise<void>
  broadcastJSON(value: unknown, options?: Omit<PublishOptions, 'to'>): Promise<void>
}

/** Broadcasts to the clients of a cluster from a process that has none of its own: a worker, a cron job, another service. */
export interface Publisher {
  /**
   * Sends to every client of every node, or to those that the options leave. Resolves when the engine has it.
   *
   * @throws FST_BLAZE_WS_BROKER_UNAVAILABLE, or the error of the client library (as a rejection, like the others).
   * @throws FST_BLAZE_WS_MESSAGE_TOO_LONG where it is longer than the engine takes.
   * @throws TypeError where the data is neither string nor bytes, or bytes that go out as text are not UTF-8.
   */
  broadcast(data: string | Uint8Array, options?: PublishOptions): Promise<void>
  /** Sends a value as JSON. See `broadcast`. */
  broadcastJSON(value: unknown, options?: PublishOptions): Promise<void>
  /** The members of a room, or the connection with an `id`, or any of several, to publish to. */
  to(room: string | readonly string[]): PublisherTarget
  /** Disconnects the members of a room, or the connection with an `id`, or any of several, on all nodes. @default code 1008, reason 'disconnected' */
  disconnect(room: string | readonly string[], code?: number, reason?: string): Promise<void>
  /** Sends what is under way and gives back the broker's connections. */
  close(): Promise<void>
}

/** Whom a publisher publishes to. */
export interface PublisherOptions {
  /** The `name` of a hub. @default none: the hub of the servers */
  hub?: string | undefined
}

const KEYS = ['type', 'to', 'except']

/**
 * A publisher over a broker of its own, which serves no hub.
 *
 * @param publisherOptions.hub the name of the hub to publish to. @default that of the servers, `app.wsHub`
 * @throws FST_BLAZE_WS_BROKER_IN_USE where a hub or another publisher has it.
 * @throws TypeError where it is no broker.
 */
export function createPublisher(broker: Broker, publisherOptions: PublisherOptions = {}): Publisher {
  assertKeys('options', publisherOptions, ['hub'])
  const { hub } = publisherOptions
  if (hub !== undefined) checkHubName(hub, 'hub')
  takeOwnership(broker)
  let isClosed = false
  const posted: Promise<void>[] = []
  const outgoing = new Sender(new Channels(hub), (channel, size, bytes) => {
    const limit = limitOf(broker)
    if (size > limit) throw new errors.MESSAGE_TOO_LONG(size, limit)
    posted.push(broker.publish(channel, bytes()))
  })
  const publish = async (targets: readonly string[] | undefined, message: Message): Promise<void> => {
    if (isClosed) throw new errors.BROKER_UNAVAILABLE('the publisher is closed')
    outgoing.publish(targets, message)
    await Promise.all(posted.splice(0))
  }
  const publisher: Publisher = {
    async broadcast(data, options = {}) {
      assertKeys('options', options, KEYS)
      const { type = TextMessage } = options
      assertDataType(type)
      const targets = targetsFrom(options)
      const payload = ownCopy(payloadOf(type, data))
      await publish(targets, { kind: type, payload, ids: excludedIdsFrom(options) })
    },
    broadcastJSON: async (value, options) => publisher.broadcast(jsonOf(value), options),
    to: (room) => ({
      broadcast: (data, options) => publisher.broadcast(data, { ...options, to: room }),
      broadcastJSON: (value, options) => publisher.broadcastJSON(value, { ...options, to: room })
    }),
    async disconnect(room, code = CloseCode.PolicyViolation, reason = 'disconnected') {
      const targets = targetsFrom({ to: room })
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
