import type { FastifyInstance } from 'fastify'
import type { Broker } from './brokers/broker.ts'
import { takeOwnership } from './brokers/ownership.ts'
import { checkHubName } from './cluster/hub-name.ts'
import { assertSendable, CloseCode, closePayload, fitReason } from './internal/close-codes.ts'
import { assertDataType, jsonOf, ownCopy, payloadOf } from './internal/payload.ts'
import { assertDeliveryOptions, DELIVERY_KEYS, type DeliveryOptions } from './internal/delivery.ts'
import { errors } from './internal/errors.ts'
import { markHandled } from './internal/promises.ts'
import { assertKeys } from './internal/validate.ts'
import { type HistoryOptions, resolveHistoryOptions } from './history/options.ts'
import { publicationOf, type StreamOptions } from './history/publish-arguments.ts'
import { PublisherStreams } from './history/publisher-streams.ts'
import type { StreamTarget } from './history/stream-target.ts'
import type { Published } from './history/streams.ts'
import type { CompiledContract } from './schemas/compiled-contract.ts'
import { type DataType, TextMessage } from './internal/message.ts'
import { Kind, limitOf } from './cluster/wire/envelope.ts'
import { excludedIdsFromOptions, targetsFromOptions, withTargets } from './internal/targets.ts'
import { isContract } from './contract/definition.ts'
import type { AnyContract, Contract, Data, In, Of } from './contract/types.ts'
import { traceOfBroadcast } from './observe/traces.ts'
import { compiledContract, compileFor } from './schemas/contracts.ts'
import { eventText } from './schemas/event-text.ts'
import { Channels } from './cluster/wire/channels.ts'
import { contractPayload } from './cluster/wire/contract-payload.ts'
import { notesOf, withTrace } from './cluster/wire/notes.ts'
import { type Message, Sender } from './cluster/wire/sender.ts'

/** The options of a broadcast by a publisher. */
export interface PublishOptions extends DeliveryOptions {
  /** @default TextMessage */
  type?: DataType
  /** Only to the members of this room, or to the connection with this `id`. With several, to each once. */
  to?: string | readonly string[]
  /** Not to the connections with these ids. */
  except?: string | readonly string[]
}

/** The targets that `to()` was called with. */
export interface PublisherTarget extends StreamTarget {
  broadcast(data: string | Uint8Array, options?: Omit<PublishOptions, 'to'>): Promise<void>
  broadcastJSON(value: unknown, options?: Omit<PublishOptions, 'to'>): Promise<void>
  /** Sends an event of a contract. See `Publisher.broadcast`. */
  broadcast<C extends AnyContract, E extends keyof Of<C, 'fromServer'> & string>(
    contract: C,
    event: E,
    ...data: Data<In<Of<C, 'fromServer'>[E]>, [options?: Omit<PublishOptions, 'to' | 'type'>]>
  ): Promise<void>
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
  /**
   * Sends an event of a contract, checked and serialized here. A contract with JSON Schemas needs the option `app`.
   *
   * @throws TypeError if the contract has no such event, or if the data does not fit (as a rejection).
   */
  broadcast<C extends AnyContract, E extends keyof Of<C, 'fromServer'> & string>(
    contract: C,
    event: E,
    ...data: Data<In<Of<C, 'fromServer'>[E]>, [options?: Omit<PublishOptions, 'type'>]>
  ): Promise<void>
  /** Sends a value as JSON. See `broadcast`. */
  broadcastJSON(value: unknown, options?: PublishOptions): Promise<void>
  /**
   * Stores a message in the history of a room, and sends it to its members on all nodes. See `WebSocketHub.publish`. `receivers` is 0,
   * because a publisher has no connections.
   *
   * @throws FST_BLAZE_WS_NO_HISTORY (as a rejection) without the option `history`.
   */
  publish(data: string | Uint8Array, options: StreamOptions & { to: string }): Promise<Published>
  /** Stores and sends an event of a contract. */
  publish<C extends AnyContract, E extends keyof Of<C, 'fromServer'> & string>(
    contract: C,
    event: E,
    data: In<Of<C, 'fromServer'>[E]> | undefined,
    options: Omit<StreamOptions, 'type'> & { to: string }
  ): Promise<Published>
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
  /** A Fastify instance, whose compilers check the JSON Schemas of contracts. It must be ready. @default none */
  app?: FastifyInstance | undefined
  /** The history of the hub, with the same store and retention: needed for `publish`. @default none */
  history?: Omit<HistoryOptions, 'label'> | undefined
}

const KEYS = ['type', 'to', 'except', ...DELIVERY_KEYS]

/**
 * Creates a publisher with a broker of its own.
 *
 * @param publisherOptions.hub the `name` of the hub to publish to. @default `app.wsHub` of the servers
 * @throws FST_BLAZE_WS_BROKER_IN_USE if a hub or another publisher has the broker.
 * @throws TypeError if `broker` is not a broker.
 */
export function createPublisher(broker: Broker, publisherOptions: PublisherOptions = {}): Publisher {
  assertKeys('options', publisherOptions, ['hub', 'app', 'history'])
  const { hub, app, history } = publisherOptions
  if (hub !== undefined) checkHubName(hub, 'hub')
  const resolvedHistory = resolveHistoryOptions(history, 'history')
  takeOwnership(broker)
  let isClosed = false
  const pending: Promise<void>[] = []
  const channels = new Channels(hub)
  const sender = new Sender(channels, {
    accepts(size) {
      const limit = limitOf(broker)
      if (size > limit) throw new errors.MESSAGE_TOO_LONG(size, limit)
      return true
    },
    publish: (channel, message) => void pending.push(broker.publish(channel, message))
  })
  const send = async (targets: readonly string[] | undefined, message: Message): Promise<void> => {
    if (isClosed) throw new errors.BROKER_UNAVAILABLE('the publisher is closed')
    try {
      sender.broadcast(targets, message)
    } finally {
      // If the message is too long for one of its channels, it is on its way on others.
      await Promise.all(pending.splice(0))
    }
  }
  const broadcast = async (args: readonly unknown[], to?: { to: string | readonly string[] }): Promise<void> => {
    const isEvent = isContract(args[0])
    const options = withTargets((args[isEvent ? 3 : 1] ?? {}) as PublishOptions, to)
    assertKeys('options', options, KEYS)
    assertDeliveryOptions(options)
    const { message, type, bytes } = isEvent
      ? eventMessage(compile(args[0] as Contract), args[1], args[2])
      : rawMessage(args[0], options)
    const targets = targetsFromOptions(options)
    const ids = excludedIdsFromOptions(options)
    const traceparent = traceOfBroadcast(publisher, { to: targets, recipients: 0, bytes, type })
    await send(targets, { ...message, ids, notes: withTrace(notesOf(options, targets), traceparent) })
  }
  const compile = (contract: Contract): CompiledContract =>
    app === undefined ? compiledContract(contract, undefined) : compileFor(contract, app)
  const streams = new PublisherStreams(resolvedHistory, channels, broker)
  const publish = (args: readonly unknown[], to?: { to: unknown }): Promise<Published> =>
    markHandled((async () => streams.publish(publicationOf(args, to, compile), publisher))())
  const publisher: Publisher = {
    broadcast: (...args: unknown[]) => broadcast(args),
    broadcastJSON: async (value, options) => publisher.broadcast(jsonOf(value), options),
    publish: (...args: unknown[]) => publish(args),
    to: (room) => ({
      broadcast: (...args: unknown[]) => broadcast(args, { to: room }),
      broadcastJSON: async (value, options) => broadcast([jsonOf(value), options], { to: room }),
      publish: (...args: unknown[]) => publish(args, { to: room })
    }),
    async disconnect(room, code = CloseCode.PolicyViolation, reason = 'disconnected') {
      const targets = targetsFromOptions({ to: room })
      assertSendable(code, reason)
      await send(targets, { kind: Kind.Disconnect, payload: closePayload(code, fitReason(reason)), ids: [] })
    },
    async close() {
      isClosed = true
      await streams.close()
      await broker.close()
    }
  }
  return publisher
}

/** What is sent, and what the clients get of it. */
interface Outgoing {
  readonly message: Pick<Message, 'kind' | 'payload'>
  readonly type: DataType
  readonly bytes: number
}

function rawMessage(data: unknown, { type = TextMessage }: PublishOptions): Outgoing {
  assertDataType(type)
  const payload = ownCopy(payloadOf(type, data))
  return { message: { kind: type, payload }, type, bytes: payload.length }
}

function eventMessage(compiled: CompiledContract, event: unknown, data: unknown): Outgoing {
  const text = Buffer.from(eventText(compiled, event as string, data))
  const audience = { contract: compiled.definition.name, event: event as string }
  const message = { kind: Kind.Contract, payload: contractPayload(audience, text) }
  return { message, type: TextMessage, bytes: text.length }
}
