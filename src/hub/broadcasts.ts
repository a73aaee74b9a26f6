import { notesOf, type Notes } from '../cluster/wire/notes.ts'
import { type Delivery, PreparedMessage } from '../connection/write/prepared-message.ts'
import { isContract } from '../contract/definition.ts'
import { TextMessage } from '../internal/message.ts'
import { assertDataType, ownCopy, payloadOf } from '../internal/payload.ts'
import { targetsFromOptions } from '../internal/targets.ts'
import type { Broadcaster } from './broadcaster.ts'
import { assertBroadcastOptions, type BroadcastOptions } from './broadcast-options.ts'
import type { Clients } from './clients.ts'
import { contractMessage, type HubMessage } from './contract-message.ts'
import type { HubCluster, HubLogger } from './hub-cluster.ts'
import type { Deliveries } from './deliveries.ts'
import { excludedIds, selectRecipients } from './recipients.ts'

/** The targets that `hub.to()` was called with. */
export interface Targets {
  readonly to: string | readonly string[]
}

export interface BroadcastsParts {
  readonly clients: Clients
  readonly broadcaster: Broadcaster
  readonly deliveries: Deliveries
  /** The server whose compilers are used for contracts. */
  readonly server: object | undefined
  readonly logger: HubLogger | undefined
  /** The hub's part in its cluster; undefined until it is needed. */
  readonly cluster: () => HubCluster | undefined
}

/** A broadcast that was read and checked. */
interface Broadcast extends HubMessage {
  readonly options: BroadcastOptions
  /** Undefined: all clients. */
  readonly targets: readonly string[] | undefined
  readonly notes: Notes | undefined
}

/** The broadcasts of the application: reads their arguments, and sends them to the clients of this node and to the other nodes. */
export class Broadcasts {
  readonly #parts: BroadcastsParts
  #hasWarnedOfContract = false

  constructor(parts: BroadcastsParts) {
    this.#parts = parts
  }

  /** @param args data and options, or a contract, an event, its data and options. */
  send(args: readonly unknown[], to: Targets | undefined): number {
    const isEvent = isContract(args[0])
    const given = (isEvent ? args[3] : args[1]) as BroadcastOptions | undefined
    const options = to === undefined ? (given ?? {}) : { ...given, ...to }
    assertBroadcastOptions(options)
    const targets = targetsFromOptions(options)
    const notes = notesOf(options, targets)
    const delivery = this.#parts.deliveries.of(notes, targets)
    const hubMessage = isEvent
      ? contractMessage(args[0], args[1] as string, args[2], this.#parts.server, delivery)
      : rawMessage(args[0] as string | Uint8Array, options, delivery)
    return this.#send({ ...hubMessage, options, targets, notes })
  }

  #send(broadcast: Broadcast): number {
    const { clients, broadcaster } = this.#parts
    const { message, audience, options, targets } = broadcast
    const recipients = selectRecipients(clients, targets, options, audience)
    if (audience === undefined) this.#warnOfContract()
    if (options.local !== true) this.#sendToOtherNodes(broadcast)
    return broadcaster.send(message, recipients)
  }

  #sendToOtherNodes({ message: { type, payload }, audience, options, targets, notes }: Broadcast): void {
    const cluster = this.#parts.cluster()
    if (options.filter !== undefined) return cluster?.warnOfFilter()
    const remoteTargets = targets && this.#parts.clients.targetsOnOtherNodes(targets)
    cluster?.node?.broadcast(type, payload, remoteTargets, excludedIds(options), audience, notes)
  }

  /** Clients with a contract get no raw messages, which the author of a broadcast may not expect. */
  #warnOfContract(): void {
    if (this.#hasWarnedOfContract || this.#parts.clients.allAccept(undefined)) return
    this.#hasWarnedOfContract = true
    this.#parts.logger?.warn(
      'a raw broadcast does not reach connections with a contract; use broadcast(contract, event, data) for them'
    )
  }
}

function rawMessage(
  data: string | Uint8Array,
  { type = TextMessage }: BroadcastOptions,
  delivery?: Delivery
): HubMessage {
  assertDataType(type)
  return { message: new PreparedMessage(type, ownCopy(payloadOf(type, data)), data, delivery), audience: undefined }
}
