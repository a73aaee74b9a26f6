import { type AppendOptions, type Broker, type HistoryStore, newEpoch, type Position } from '../../../src/index.ts'
import type { Appended, NewMessage, ReadRange, StoredMessage, StoredPart } from '../../../src/index.ts'
import { isBehind } from '../../../src/history/store.ts'

interface Room {
  position: Position
  messages: StoredMessage[]
}

/** A simple engine, which can be away, and lose what was appended last to each room. Its stores publish over any broker. */
export class UnreliableEngine {
  #rooms = new Map<string, Room>()
  readonly #backup = new Map<string, Room>()
  #isAway = false

  lose(): void {
    this.#rooms = structuredClone(this.#backup)
  }

  interrupt(): () => Promise<void> {
    this.#isAway = true
    return async () => {
      this.#isAway = false
    }
  }

  create(): HistoryStore {
    return {
      append: (room, messages, options) => this.#ask(() => this.#append(room, messages, options)),
      read: (room, range) => this.#ask(() => this.#read(room, range)),
      positions: (rooms) => this.#ask(() => rooms.map(({ room, known }) => ({ ...this.#at(room, known).position }))),
      clear: (room) => this.#ask(() => void (this.#at(room).messages = [])),
      open() {},
      async close() {},
      publishesOver: (broker) => broker
    }
  }

  /** Answers in a later turn, as an engine does. If it is away by then, nobody knows whether the call has taken effect. */
  async #ask<Result>(call: () => Result): Promise<Result> {
    if (this.#isAway) throw new Error('the engine is away')
    const result = call()
    await new Promise(setImmediate)
    if (this.#isAway) throw new Error('the connection is lost')
    return result
  }

  #at(name: string, known?: Position): Room {
    let room = this.#rooms.get(name)
    if (room === undefined || isBehind(room.position, known))
      room = { position: { epoch: newEpoch(known?.epoch), offset: 0 }, messages: [] }
    this.#rooms.set(name, room)
    return room
  }

  #append(name: string, messages: readonly NewMessage[], { known, size, ttl, publish }: AppendOptions): Appended[] {
    const room = this.#at(name, known)
    this.#backup.set(name, structuredClone(room))
    const time = Date.now()
    room.messages = room.messages.filter((one) => one.time >= time - ttl)
    const appended = messages.map(({ id, body }) => {
      const { epoch } = room.position
      const stored = room.messages.find((one) => one.id === id)
      if (stored !== undefined) return { epoch, offset: stored.offset, isNew: false }
      const offset = ++room.position.offset
      room.messages.push({ id, body: Uint8Array.from(body), offset, time })
      return { epoch, offset, isNew: true }
    })
    room.messages = room.messages.slice(-size)
    for (const [i, { epoch, offset }] of appended.entries()) {
      if (publish === undefined) break
      const { id, body } = messages[i] as NewMessage
      const line = Buffer.from(`${epoch} ${offset} ${id}\n`)
      void (publish.over as Broker).publish(name, Buffer.concat([publish.head, line, body]))
    }
    return appended
  }

  #read(name: string, { after, limit, maxBytes, ttl }: ReadRange): StoredPart {
    const { position, messages } = this.#at(name)
    const range = messages.filter(({ offset, time }) => offset > after && time >= Date.now() - ttl).slice(0, limit)
    let bytes = 0
    const end = range.findIndex(({ body }) => (bytes += body.length) >= maxBytes)
    return { position: { ...position }, messages: end === -1 ? range : range.slice(0, end + 1) }
  }
}
