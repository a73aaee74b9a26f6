/** Who is in which room as the events of presence tell it: they must never contradict what `known` says. */
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

  /** A client is about to enter a room: from the answer of `list` on, events tell what changes. */
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
    // For a while, there are events in a room that the last client has left, and then none.
    if (this.#hub.getClientCount(room) === 0) this.#rooms.delete(room)
    const present = this.#rooms.get(room)?.present
    if (present === undefined) return
    if (present.has(key) !== isExpected)
      this.#faults.push(`'${event}' of ${key} in ${room}, who was ${isExpected ? 'not ' : ''}there`)
    if (event === 'leave') present.delete(key)
    else present.set(key, JSON.stringify(info))
  }

  /** Events that cannot be, and rooms where they add up to something else than is known. */
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
