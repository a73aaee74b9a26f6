import { isNameRoom } from './names.js'

const MAX_ROOMS = 50
const PAUSE = 100

/** The rooms of all nodes and how many are in each. To count them costs a question to all nodes: it is not done for each guest. */
export class RoomList {
  /** As it was when it was last asked for. */
  latest = []
  #hub
  #timer

  constructor(hub) {
    this.#hub = hub
  }

  /** The `rooms` with the most guests, and how many rooms there are in `total`. Those that the chat keeps for itself are in neither. */
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

  /** A hundred people who come back after a restart make a few lists, not a hundred for each of them. */
  changed() {
    if (this.#timer !== undefined) return
    this.#timer = setTimeout(() => void this.#tell(), PAUSE).unref()
  }

  async #tell() {
    this.#timer = undefined
    const { rooms } = await this.ask()
    this.#hub.broadcastJSON({ type: 'rooms', rooms })
  }

  /** Where there are too many to count, those with the most guests here. */
  #mostly(rooms) {
    const here = (room) => this.#hub.getClientCount(room)
    return rooms.toSorted((a, b) => here(b) - here(a)).slice(0, MAX_ROOMS)
  }
}
