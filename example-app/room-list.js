import { isNameRoom } from './names.js'
import { chatContract } from './public/chat-contract.js'

const MAX_ROOMS = 50
const PAUSE = 100

/** The rooms of all nodes, with the number of guests in each. Counting asks all nodes, so it is not done for each guest. */
export class RoomList {
  /** The list as it was at the last request. */
  latest = []
  #hub
  #timer

  constructor(hub) {
    this.#hub = hub
  }

  /** The `rooms` with the most guests, and the `total` number of rooms. The internal rooms for names are not included. */
  async ask() {
    const { cluster } = this.#hub
    const rooms = (await cluster.getRooms()).rooms.filter((room) => !isNameRoom(room))
    const counted = await Promise.all(
      this.#mostly(rooms).map(async (name) => {
        const { count } = await cluster.getClientCount(name)
        return { name, members: count }
      })
    )
    this.latest = counted
      .filter(({ members }) => members > 0)
      .toSorted((a, b) => b.members - a.members || a.name.localeCompare(b.name))
    return { rooms: this.latest, total: this.latest.length + Math.max(0, rooms.length - MAX_ROOMS) }
  }

  /** Sends a new list after a short pause: a hundred guests who come back after a restart cause a few lists, not a hundred. */
  changed() {
    if (this.#timer !== undefined) return
    this.#timer = setTimeout(() => void this.#tell(), PAUSE).unref()
  }

  async #tell() {
    this.#timer = undefined
    const { rooms } = await this.ask()
    this.#hub.broadcast(chatContract, 'rooms', { rooms })
  }

  /** If there are too many rooms to count, the ones with the most guests on this node. */
  #mostly(rooms) {
    const here = (room) => this.#hub.getClientCount(room)
    return rooms.toSorted((a, b) => here(b) - here(a)).slice(0, MAX_ROOMS)
  }
}
