/** How long a guest may be away before the others are told, in milliseconds: during a reload or the restart of a node. */
export const GRACE = 3000
/** How many guests may be away at a time. If there are more, the others are told at once that the first of them left. */
const MAX_ABSENT = 10_000

/** Guests whose connection ended and who may be back in a moment. The others are told that they left only after a grace period. */
export class Absences {
  /** Room → id → absence. */
  #rooms = new Map()
  /** The same absences, in the order in which they began, which is the order in which they end. */
  #queue = new Set()
  #grace
  #onGone
  #timer
  #isClosed = false

  /** @param onGone is called with `(room, absences)` for guests who have not come back in time. */
  constructor(grace, onGone) {
    this.#grace = grace
    this.#onGone = onGone
  }

  /** @param absence `{ room, id, … }` */
  add(absence) {
    if (this.#isClosed) return
    const { room, id } = absence
    this.take(room, id)
    if (!this.#rooms.has(room)) this.#rooms.set(room, new Map())
    this.#rooms.get(room).set(id, absence)
    absence.until = performance.now() + this.#grace
    this.#queue.add(absence)
    if (this.#queue.size > MAX_ABSENT) this.#end([this.#first()])
    this.#watch()
  }

  /** Ends an absence, because the guest is back or has left for good, and returns it; undefined if there is none. */
  take(room, id) {
    const absent = this.#rooms.get(room)
    const absence = absent?.get(id)
    if (absence === undefined) return undefined
    this.#queue.delete(absence)
    absent.delete(id)
    if (absent.size === 0) this.#rooms.delete(room)
    return absence
  }

  in(room) {
    return [...(this.#rooms.get(room)?.values() ?? [])]
  }

  /** Forgets all absences, and accepts no more. */
  close() {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#rooms.clear()
    this.#queue.clear()
  }

  #first() {
    return this.#queue.values().next().value
  }

  /** One timer for all absences. It does not keep the process alive. */
  #watch() {
    const first = this.#first()
    if (this.#timer !== undefined || first === undefined) return
    this.#timer = setTimeout(() => this.#look(), Math.max(1, first.until - performance.now())).unref()
  }

  #look() {
    this.#timer = undefined
    const now = performance.now()
    const due = []
    for (const absence of this.#queue) {
      if (absence.until > now) break
      due.push(absence)
    }
    this.#end(due)
    this.#watch()
  }

  #end(absences) {
    for (const { room, id } of absences) this.take(room, id)
    for (const [room, gone] of byRoom(absences)) this.#onGone(room, gone)
  }
}

function byRoom(absences) {
  const rooms = new Map()
  for (const absence of absences) {
    const gone = rooms.get(absence.room)
    if (gone === undefined) rooms.set(absence.room, [absence])
    else gone.push(absence)
  }
  return rooms
}
