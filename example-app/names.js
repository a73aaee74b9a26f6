import { createHash, randomInt } from 'node:crypto'
import { MAX_NAME, Refusal } from './validate.js'

/** Close codes of the application, which may use 4000 to 4999. After 4400 to 4499, except 4401, a client does not reconnect. */
const KICKED = 4403
const TAKEN = 4409
const REPLACED = 4410

/** How many names are tried to find a free one. */
const NAMES_TRIED = 8

/** The prefix of the rooms in this file. Rooms of the chat have no colon in their names, see `checkRoom`. */
const PREFIX = 'name:'

export function isNameRoom(room) {
  return room.startsWith(PREFIX)
}

/** The id of a guest: the name, whatever its upper and lower case. */
export function idOf(name) {
  return name.toLowerCase()
}

/** Identifies the owner of a name to other nodes and guests, without revealing the key that proves the ownership. */
export function ownerOf(key) {
  return createHash('sha256').update(key).digest('base64url')
}

/**
 * Who has which name, on all nodes. Each name has a room, and the connection with the name is its only member. So every node can
 * see who has the name, and can disconnect that guest.
 */
export class Names {
  #hub

  constructor(hub) {
    this.#hub = hub
    hub.presence.on('join', async (room) => {
      if (isNameRoom(room)) await this.#settle(room)
    })
  }

  /** True if the owner already has the name on another connection. Throws a Refusal if another owner has it. */
  async check({ id, name, owner }) {
    const owners = await this.#hub.presence.list(PREFIX + id)
    if (owners.some(({ key }) => key !== owner))
      throw new Refusal(`The name ${name} is taken. Please choose another.`, 'taken')
    return owners.length > 0
  }

  /** The name if it is free at the moment, otherwise a similar one. */
  async free(name) {
    const names = [name, ...numbered(name)]
    const answers = await Promise.all(names.map((one) => this.#hub.cluster.getClientCount(PREFIX + idOf(one))))
    return names.find((_, i) => answers[i].count === 0) ?? withNumber(name, randomInt(100, 10_000))
  }

  give(ws, { id, owner }) {
    ws.setLocal('owner', owner)
    this.#hub.presence.set(ws, PREFIX + id, null, { key: owner })
  }

  takeBack(ws, id) {
    this.#hub.leave(ws, PREFIX + id)
  }

  /** Closes the connection that had the name until now. */
  replace(id) {
    this.#hub.disconnect(PREFIX + id, REPLACED, 'continued elsewhere')
  }

  /** Disconnects the guest with this name; false if there is none. */
  async kick(id) {
    const { count } = await this.#hub.cluster.getClientCount(PREFIX + id)
    if (count > 0) this.#hub.disconnect(PREFIX + id, KICKED, 'removed by an operator')
    return count > 0
  }

  /**
   * Two nodes may give the same name to two guests at the same moment, or while the engine is away. Later both nodes see the same
   * owners, and come to the same decision about which guest keeps the name.
   */
  async #settle(room) {
    const owners = await this.#hub.presence.list(room)
    if (owners.length < 2) return
    const [winner] = owners.map(({ key }) => key).toSorted()
    for (const ws of this.#hub.getClients(room)) {
      if (ws.getLocal('owner') !== winner) void ws.close(TAKEN, 'the name is taken')
    }
  }
}

/** Ada 2, Ada 3, … for Ada; also for Ada 2. */
function numbered(name) {
  const base = name.replace(/ \d+$/, '')
  return Array.from({ length: NAMES_TRIED }, (_, i) => withNumber(base, i + 2))
}

/** Shortens the name if it is too long, but never cuts a character in two. */
function withNumber(base, number) {
  const end = ` ${number}`
  let start = base
  while (start.length + end.length > MAX_NAME) start = [...start].slice(0, -1).join('')
  return start + end
}
