import type { Control } from './host.ts'
import { changeMessages, changesOf } from './presence-messages.ts'
import { type Change, type Entry, Roster } from './roster.ts'

/** The owner of this node's entries. */
const HERE = ''

/** What presence knows of a room: who is there on all nodes, and what these are to be told of those who are here. */
export class PresenceRoom {
  readonly roster = new Roster()
  /** Settles when the other nodes have said who is with them. */
  readonly known: Promise<unknown>
  /** It has settled. Who was there before is no news: `list` gives them. */
  isKnown = false
  /** What has changed here in this turn. */
  readonly #present = new Map<string, Entry>()
  readonly #absent = new Set<string>()
  /** The parts of what another node says, until its last has come. */
  readonly #parts = new Map<string, Entry[]>()
  #lastTime = 0

  constructor(known: Promise<unknown>) {
    this.known = known
    void known.then(() => (this.isKnown = true))
  }

  /** The connections of this node that are present. */
  idsHere(): string[] {
    return this.roster.idsOf(HERE)
  }

  /** A connection of this node is there, under this key, or under the one that it had before, or else under its own id. */
  set(id: string, key: string | undefined, info: unknown): Change[] {
    const entry = { id, key: key ?? this.roster.entryOf(id)?.key ?? id, info, since: this.#time() }
    this.#present.set(id, entry)
    this.#absent.delete(id)
    return this.roster.set(HERE, entry)
  }

  /** A connection of this node is no longer there. */
  remove(id: string): Change[] {
    this.#present.delete(id)
    this.#absent.add(id)
    return this.roster.delete(id)
  }

  /** What the others are to be told of changes here, once. */
  takeMessages(): Control[] {
    const messages = changeMessages([...this.#present.values()], [...this.#absent])
    this.#present.clear()
    this.#absent.clear()
    return messages
  }

  /** Another node says who is with it. */
  hear(node: string, message: Control): Change[] {
    return changesOf(this.roster, this.#parts, node, message)
  }

  /** Another node has gone. */
  gone(node: string): Change[] {
    this.#parts.delete(node)
    return this.roster.replace(node, [])
  }

  /** Later than any before, so that of two changes in a millisecond the second counts. */
  #time(): number {
    this.#lastTime = Math.max(Date.now(), this.#lastTime + 1)
    return this.#lastTime
  }
}
