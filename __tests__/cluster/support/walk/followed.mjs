/** The presence of each room, as presence events report it. It must always match `known`. */
export class Followed {
  #hub
  #rooms = new Map()
  #faults = []

  constructor(hub) {
    this.#hub = hub
    hub.presence.on('join', (room, present) => this.#changed('join', room, present, false))
    hub.presence.on('update', (room, present) => this.#changed('update', room, present, true))
    hub.presence.on('leave', (room, present) => this.#changed('leave', room, present, true))
  }

  /** To be called before a client enters a room: after the answer of `list`, events report all changes. */
  entering(room) {
    if (this.#hub.getClientCount(room) === 0) void this.#follow(room)
  }

  async #follow(room) {
    const token = {}
    this.#rooms.set(room, { token })
    await Promise.resolve()
    await this.#hub.presence.list(room)
    if (this.#rooms.get(room)?.token === token) this.#rooms.set(room, { token, present: new Map(this.#known(room)) })
  }

  #known(room) {
    return this.#hub.presence.known(room).map(({ key, info }) => [key, JSON.stringify(info)])
  }

  #changed(event, room, { key, info }, isExpected) {
    // After the last client has left a room, events go on for a while, and then end.
    if (this.#hub.getClientCount(room) === 0) this.#rooms.delete(room)
    const present = this.#rooms.get(room)?.present
    if (present === undefined) return
    if (present.has(key) !== isExpected)
      this.#faults.push(`'${event}' of ${key} in ${room}, who was ${isExpected ? 'not ' : ''}there`)
    if (event === 'leave') present.delete(key)
    else present.set(key, JSON.stringify(info))
  }

  /** Impossible events, and rooms whose events do not add up to `known`. */
  faults() {
    for (const room of this.#hub.getRooms()) {
      const present = this.#rooms.get(room)?.present
      const [told, known] = [[...(present ?? [])], this.#known(room)].map((entries) =>
        JSON.stringify(entries.toSorted())
      )
      if (present !== undefined && told !== known)
        this.#faults.push(`events in ${room} add up to ${told}, known is ${known}`)
    }
    return this.#faults.splice(0)
  }
}
