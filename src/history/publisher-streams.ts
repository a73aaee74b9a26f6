import type { Broker } from '../brokers/broker.ts'
import type { Channels } from '../cluster/wire/channels.ts'
import { Kind, limitOf } from '../cluster/wire/envelope.ts'
import { Sender } from '../cluster/wire/sender.ts'
import { storedPayload } from '../cluster/wire/stored-payload.ts'
import { errors } from '../internal/errors.ts'
import { traceOfPublication } from '../observe/traces.ts'
import { Appender } from './appender.ts'
import { KnownPositions } from './known-positions.ts'
import type { ResolvedHistoryOptions } from './options.ts'
import type { StreamPublication } from './publish-arguments.ts'
import type { Appended } from './store.ts'
import { StoreLink } from './store-link.ts'
import { type Published, StreamMessage } from './streams.ts'

const NO_LISTENER = { onAway: (): void => {}, onBack: (): void => {} }

/** Publishes for a process without connections. */
export class PublisherStreams {
  readonly #link: StoreLink | undefined
  readonly #appender: Appender<StreamMessage> | undefined
  readonly #channels: Channels
  readonly #sender: Sender

  constructor(history: ResolvedHistoryOptions, channels: Channels, broker: Broker) {
    this.#channels = channels
    // A message that does not reach the nodes is in the store, where they find it.
    this.#sender = new Sender(channels, {
      accepts: (size) => size <= limitOf(broker),
      publish: (channel, message) => void broker.publish(channel, message).catch(() => {})
    })
    if (history.store === undefined) return
    const link = new StoreLink(history.store, history, channels, NO_LISTENER)
    const over = history.store.publishesOver?.(broker)
    if (over !== undefined) link.publishOver(over, (notes) => this.#sender.unnumberedHead(Kind.Stored, notes))
    this.#link = link
    const known = new KnownPositions()
    this.#appender = new Appender(link, {
      knownOf: (room) => known.get(room),
      onStored: (room, message, at) => {
        known.note(room, at)
        this.#tellNodes(room, message, at)
      }
    })
  }

  /** Throws if the publisher has no history. */
  async publish(publication: StreamPublication, hub: object): Promise<Published> {
    if (this.#appender === undefined || this.#link === undefined) throw new errors.NO_HISTORY()
    const { room, content } = publication
    const trace = traceOfPublication(hub, room, content.payload.length)
    const { epoch, offset } = await this.#appender.append(room, new StreamMessage(publication, this.#link, trace))
    return { epoch, offset, receivers: 0 }
  }

  /** Waits for what is being published. */
  async close(): Promise<void> {
    await this.#appender?.close()
    await this.#link?.close()
  }

  #tellNodes(room: string, { id, body, notes }: StreamMessage, at: Appended): void {
    if (this.#link?.publishes === true) return
    const payload = storedPayload({ epoch: at.epoch, offset: at.offset, id, body })
    this.#sender.send(this.#channels.ofRoom(room), { kind: Kind.Stored, payload, ids: [], notes })
  }
}
