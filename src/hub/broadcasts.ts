import type { Answers } from '../cluster/requests.ts'
import type { NodeBroadcast } from '../cluster/node.ts'
import { notesOf, type Notes, withTrace } from '../cluster/wire/notes.ts'
import { type Delivery, PreparedMessage } from '../connection/write/prepared-message.ts'
import { isContract } from '../contract/definition.ts'
import { TextMessage } from '../internal/message.ts'
import { assertDataType, ownCopy, payloadOf } from '../internal/payload.ts'
import { targetsFromOptions, withTargets } from '../internal/targets.ts'
import { traceOfBroadcast } from '../observe/traces.ts'
import type { Broadcaster } from './broadcaster.ts'
import { assertBroadcastOptions, type BroadcastOptions } from './broadcast-options.ts'
import type { Clients } from './clients.ts'
import { contractMessage, type HubMessage } from './contract-message.ts'
import type { HubCluster, HubLogger } from './hub-cluster.ts'
import type { Deliveries } from './deliveries.ts'
import { countOf, excludedIds, type Recipients, selectRecipients } from './recipients.ts'

/** The targets that `hub.to()` was called with. */
export interface Targets {
  readonly to: string | readonly string[]
}

export interface BroadcastsParts {
  /** The hub, for observers. */
  readonly hub: object
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
export interface Broadcast extends HubMessage {
  readonly options: BroadcastOptions
  /** Undefined: all clients. */
  readonly targets: readonly string[] | undefined
  /** The ids of the connections that do not get it. */
  readonly excluded: readonly string[]
  readonly notes: Notes | undefined
}

/** What a method that broadcasts was called with: the data, or a contract, an event and its data; and the options. */
export function callOf(args: readonly unknown[]): { content: readonly unknown[]; options: object } {
  const count = isContract(args[0]) ? 3 : 1
  return { content: args.slice(0, count), options: args[count] ?? {} }
}

/** The broadcasts of the application: checks them, and sends them to the clients of this node and to the other nodes. */
export class Broadcasts {
  readonly #parts: BroadcastsParts
  #hasWarnedOfContract = false

  constructor(parts: BroadcastsParts) {
    this.#parts = parts
  }

  /**
   * Checks the arguments of a broadcast, and prepares the message. Nothing is sent yet.
   *
   * @param content data, or a contract, an event and its data.
   */
  read(content: readonly unknown[], given: BroadcastOptions, to: Targets | undefined): Broadcast {
    const options = withTargets(given, to)
    assertBroadcastOptions(options)
    const targets = targetsFromOptions(options)
    const notes = notesOf(options, targets)
    const delivery = this.#parts.deliveries.of(notes, targets)
    const { message, audience } = isContract(content[0])
      ? contractMessage(content[0], content[1] as string, content[2], this.#parts.server, delivery)
      : rawMessage(content[0] as string | Uint8Array, options, delivery)
    return { message, audience, options, targets, excluded: excludedIds(options), notes }
  }

  /** Returns how many connections of this node have accepted it. */
  send(broadcast: Broadcast): number {
    const { recipients, notes } = this.#begin(broadcast)
    if (broadcast.options.local !== true) this.#sendElsewhere(broadcast, notes)
    return this.#parts.broadcaster.send(broadcast.message, recipients)
  }

  /** Sends it, and asks the other nodes who has accepted it; `elsewhere` is undefined if it is not for them, or there are none. */
  reach(broadcast: Broadcast, timeout: number): { here: number; elsewhere: Promise<Answers> | undefined } {
    const { recipients, notes } = this.#begin(broadcast)
    const node = broadcast.options.local === true ? undefined : this.#parts.cluster()?.node
    const elsewhere = node?.reach(this.#forOtherNodes(broadcast, notes), timeout)
    return { here: this.#parts.broadcaster.send(broadcast.message, recipients), elsewhere }
  }

  /** Selects the recipients of this node, and tells observers. */
  #begin({ message, audience, options, targets, notes }: Broadcast): {
    recipients: Recipients
    notes: Notes | undefined
  } {
    const { hub, clients } = this.#parts
    const recipients = selectRecipients(clients, targets, options, audience)
    if (audience === undefined) this.#warnOfContract()
    const traceparent = traceOfBroadcast(hub, {
      to: targets,
      recipients: countOf(recipients),
      bytes: message.payload.length,
      type: message.type
    })
    return { recipients, notes: withTrace(notes, traceparent) }
  }

  #sendElsewhere(broadcast: Broadcast, notes: Notes | undefined): void {
    const cluster = this.#parts.cluster()
    if (broadcast.options.filter !== undefined) return cluster?.warnOfFilter()
    cluster?.node?.broadcast(this.#forOtherNodes(broadcast, notes))
  }

  #forOtherNodes(broadcast: Broadcast, notes: Notes | undefined): NodeBroadcast {
    const { message, audience, targets, excluded } = broadcast
    const { type, payload } = message
    const remoteTargets = targets && this.#parts.clients.targetsOnOtherNodes(targets)
    return { type, payload, targets: remoteTargets, excluded, audience, notes }
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
