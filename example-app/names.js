import { createHash, randomInt } from 'node:crypto'
import { MAX_NAME, Refusal } from './validate.js'

/** Close codes of our own, 4000 to 4999 are free for that. A client does not come back by itself after these. */
const REPLACED = 4000
const KICKED = 4001
const TAKEN = 4002

/** How many names are tried at a time when somebody needs one that is free. */
const NAMES_TRIED = 8

/** A room of the chat has no colon in its name, see `checkRoom`. */
const PREFIX = 'name:'

export function isNameRoom(room) {
  return room.startsWith(PREFIX)
}

/** What tells one guest from another, however the name is spelled. */
export function idOf(name) {
  return name.toLowerCase()
}

/** Others are to know who the owner of a name is, and not the key that proves it. */
export function ownerOf(key) {
  return createHash('sha256').update(key).digest('base64url')
}

/**
 * Who has which name, on all nodes: whoever has one is alone in a room of its own, whose only use is that all nodes can see
 * who is in it, and throw that one out.
 */
export class Names {
  #hub
  /** Connection → owner. */
  #owners = new WeakMap()

  constructor(hub) {
    this.#hub = hub
    hub.presence.on('join', async (room) => {
      if (isNameRoom(room)) await this.#settle(room)
    })
  }

  /** True where the owner has the name already, on another connection; refuses where somebody else has it. */
  async check({ id, name, owner }) {
    const owners = await this.#hub.presence.list(PREFIX + id)
    if (owners.some(({ key }) => key !== owner)) throw new Refusal(`The name ${name} is taken. Please choose another.`)
    return owners.length > 0
  }

  /** The name itself, or one like it, that nobody has at this moment. */
  async free(name) {
    const names = [name, ...numbered(name)]
    const answers = await Promise.all(names.map((one) => this.#hub.cluster.getClientCount(PREFIX + idOf(one))))
    return names.find((_, i) => answers[i].count === 0) ?? withNumber(name, randomInt(100, 10_000))
  }

  give(ws, { id, owner }) {
    this.#owners.set(ws, owner)
    this.#hub.presence.set(ws, PREFIX + id, null, { key: owner })
  }

  takeBack(ws, id) {
    this.#hub.leave(ws, PREFIX + id)
  }

  /** Ends the connection that had the name until now. */
  replace(id) {
    this.#hub.disconnect(PREFIX + id, REPLACED, 'continued elsewhere')
  }

  /** Sends away who has the name; false where nobody has it. */
  async kick(id) {
    const { count } = await this.#hub.cluster.getClientCount(PREFIX + id)
    if (count > 0) this.#hub.disconnect(PREFIX + id, KICKED, 'removed by an operator')
    return count > 0
  }

  /**
   * Two nodes may give the same name away in the same moment, or while they do not hear of each other. When they do, both see the
   * same owners, and come to the same conclusion about who has to go.
   */
  async #settle(room) {
    const owners = await this.#hub.presence.list(room)
    if (owners.length < 2) return
    const [winner] = owners.map(({ key }) => key).toSorted()
    for (const ws of this.#hub.getClients(room)) {
      if (this.#owners.get(ws) !== winner) void ws.close(TAKEN, 'the name is taken')
    }
  }
}

/** Ada 2, Ada 3, …; what follows Ada 2 is Ada 3 as well. */
function numbered(name) {
  const base = name.replace(/ \d+$/, '')
  return Array.from({ length: NAMES_TRIED }, (_, i) => withNumber(base, i + 2))
}

/** A letter is not cut in two. */
function withNumber(base, number) {
  const end = ` ${number}`
  let start = base
  while (start.length + end.length > MAX_NAME) start = [...start].slice(0, -1).join('')
  return start + end
}
