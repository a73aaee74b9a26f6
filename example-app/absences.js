/** How long somebody may be away before the others hear of it, in milliseconds: a reload, a tunnel, the restart of a node. */
export const GRACE = 3000
/** So many may be away at a time; where there are more, the first of them are told at once. */
const MAX_ABSENT = 10_000

/** Those who have gone and may be back in a moment. Nobody is told that they left until their grace is over. */
export class Absences {
  /** Room → id → absence. */
  #rooms = new Map()
  /** The same in the order in which they went, which is the order in which their grace ends. */
  #queue = new Set()
  #grace
  #onGone
  #timer
  #isClosed = false

  /** @param onGone `(room, absences)`, for those who have not come back in time */
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

  /** Somebody is back, or nobody needs to wait any longer: gives the absence and forgets it; undefined where there is none. */
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

  /** Forgets all of them, and takes no more. */
  close() {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#rooms.clear()
    this.#queue.clear()
  }

  #first() {
    return this.#queue.values().next().value
  }

  /** One timer for all. It keeps no process alive. */
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
