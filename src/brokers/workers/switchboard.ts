import { atEndOfTurn, type EndOfTurn } from '../../internal/end-of-turn.ts'
import { readBatch } from './batch.ts'
import { bytesOf, type Notice, type Request } from './frames.ts'

/** How many bytes may wait for a process that does not read. What comes then is dropped for this process alone. */
const MAX_PENDING = 16 * 1024 * 1024
/** What a notice that waits costs besides its batch, in bytes. With short messages, that is most of what this process keeps. */
const NOTICE_COST = 1_536

/** The way to the brokers of one process. */
export abstract class Port {
  /** Bytes of notices with messages that the process has not taken. */
  pending = 0

  /** Calls `done` when the process, or the kernel for it, has taken the notice or never will. */
  abstract send(notice: Notice, done: () => void): void

  /** Learns whether the process gets bytes as bytes from a sample of its own. */
  learn(_sample: Uint8Array): void {}
}

/** A broker that takes part. What it gets in one turn leaves as one notice. */
class Member implements EndOfTurn {
  readonly id: string
  readonly port: Port
  readonly channels = new Set<string>()
  taken = 0
  #records: Buffer[] = []
  /** What the records add to `port.pending`. */
  #cost = 0
  #isScheduled = false

  constructor(id: string, port: Port) {
    this.id = id
    this.port = port
  }

  take(number: number): void {
    this.taken = number
    this.#schedule()
  }

  /** The hub of a broker whose messages were dropped notices a gap in their numbers. */
  deliver(record: Buffer): void {
    const cost = record.length + (this.#records.length === 0 ? NOTICE_COST : 0)
    if (this.port.pending > 0 && this.port.pending + cost > MAX_PENDING) return
    this.port.pending += cost
    this.#cost += cost
    this.#records.push(record)
    this.#schedule()
  }

  endOfTurn(): void {
    this.#isScheduled = false
    const batch = Buffer.concat(this.#records)
    const cost = this.#cost
    this.#records = []
    this.#cost = 0
    const notice = { member: this.id, taken: this.taken }
    // What waits for a process that does not read must not keep the batch as well: the callback has its cost alone.
    this.port.send(batch.length > 0 ? { ...notice, batch } : notice, () => (this.port.pending -= cost))
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    atEndOfTurn(this)
  }
}

/** Passes messages between brokers, and knows which broker subscribes to what. It is in the primary of node:cluster. */
export class Switchboard {
  readonly #members = new Map<string, Member>()
  readonly #subscribers = new Map<string, Set<Member>>()

  take(request: Request, port: Port): void {
    if (request.kind === 'join') this.#join(request, port)
    const member = this.#members.get(request.member)
    if (member === undefined) return this.#end(request.member, port)
    if (request.kind === 'leave') return this.#remove(member)
    if (request.kind === 'publish') this.#publish(member, bytesOf(request.batch))
    if (request.kind === 'subscribe') this.#subscribe(member, request.channels)
    if (request.kind === 'unsubscribe') this.#unsubscribe(member, request.channels)
    member.take(request.number)
  }

  /** A process is gone. */
  drop(port: Port): void {
    for (const member of this.#members.values()) if (member.port === port) this.#remove(member)
  }

  /** Tells all brokers that nothing passes any more. */
  close(): void {
    for (const member of this.#members.values()) {
      this.#remove(member)
      this.#end(member.id, member.port)
    }
  }

  #join({ member: id, channels, sample }: Request & { kind: 'join' }, port: Port): void {
    const before = this.#members.get(id)
    if (before !== undefined) this.#remove(before)
    port.learn(sample)
    const member = new Member(id, port)
    this.#members.set(id, member)
    this.#subscribe(member, channels)
  }

  #end(member: string, port: Port): void {
    port.send({ member, taken: 0, isEnd: true }, () => {})
  }

  #publish(sender: Member, batch: Buffer): void {
    readBatch(batch, (channel, _message, record) => {
      for (const member of this.#subscribers.get(channel) ?? []) if (member !== sender) member.deliver(record)
    })
  }

  #subscribe(member: Member, channels: readonly string[]): void {
    for (const channel of channels) {
      member.channels.add(channel)
      const members = this.#subscribers.get(channel)
      if (members === undefined) this.#subscribers.set(channel, new Set([member]))
      else members.add(member)
    }
  }

  #unsubscribe(member: Member, channels: Iterable<string>): void {
    for (const channel of channels) {
      member.channels.delete(channel)
      const members = this.#subscribers.get(channel)
      if (members?.delete(member) === true && members.size === 0) this.#subscribers.delete(channel)
    }
  }

  #remove(member: Member): void {
    this.#members.delete(member.id)
    this.#unsubscribe(member, [...member.channels])
  }
}
