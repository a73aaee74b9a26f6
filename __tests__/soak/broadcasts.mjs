const TICK = 100
/** To all clients every half second, to each room every second, alternating with the ticks. */
const TICKS_PER_ALL = 5
const TICKS_PER_ROUND = 10
const TICKS_PER_HEAVY = 2
/** One in this many messages is long enough to be compressed. */
const LONG_EVERY = 10
const SHORT = 'x'.repeat(60)
const LONG = 'a longer message, as a page of a chat may have it; '.repeat(40)
/** The room of the clients that do not read its messages. */
const HEAVY_ROOM = 'heavy'
const HEAVY = 'y'.repeat(256 * 1024)

/** Sends numbered messages to all and to rooms at a steady rate. */
export class Broadcasts {
  #hub
  #rooms
  #sabotage
  #ticks = 0
  #timer
  #all = 0

  constructor(hub, { rooms, sabotage }) {
    this.#hub = hub
    this.#rooms = Array.from({ length: rooms }, (_, i) => ({ name: `room-${i}`, number: 0 }))
    this.#sabotage = sabotage
  }

  start() {
    this.#timer = setInterval(() => this.#tick(), TICK)
  }

  stop() {
    clearInterval(this.#timer)
  }

  /** The numbers of the next broadcasts to all clients and to this room. */
  next(room) {
    return `${this.#all} ${this.#rooms.find(({ name }) => name === room)?.number ?? 0}`
  }

  #tick() {
    this.#ticks++
    if (this.#ticks % TICKS_PER_ALL === 0) this.#toAll()
    for (const [i, room] of this.#rooms.entries()) {
      if (i % TICKS_PER_ROUND === this.#ticks % TICKS_PER_ROUND) this.#toRoom(room)
    }
    if (this.#ticks % TICKS_PER_HEAVY === 0) this.#hub.to(HEAVY_ROOM).broadcast(HEAVY)
  }

  #toAll() {
    const number = this.#all++
    this.#hub.broadcast(`all ${number} ${textOf(number)}`)
  }

  #toRoom(room) {
    const number = room.number++
    const message = `room ${number} ${textOf(number)}`
    if (number % 5 === 4 && this.#sabotage === 'lose') return
    this.#hub.to(room.name).broadcast(message)
    if (number % 5 === 4 && this.#sabotage === 'twice') this.#hub.to(room.name).broadcast(message)
  }
}

function textOf(number) {
  return number % LONG_EVERY === 0 ? LONG : SHORT
}
