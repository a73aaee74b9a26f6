/** The number of colours in `style.css`. They are ordered by hue, so neighbours look alike. */
export const PALETTE = 12
/** The smallest distance at which two colours are easy to tell apart. */
const APART = 3
/** For how many people who have left the colours are remembered. */
const MAX_ABSENT = 500

/** A colour for each person. People who are present at the same time have different colours, as long as there are enough. */
export class Colours {
  #colours = new Map()
  #present = new Set()
  /** How many present people use each colour. */
  #uses = Array.from({ length: PALETTE }, () => 0)

  of(id) {
    if (!this.#colours.has(id)) this.#colours.set(id, this.#choose(id))
    return this.#colours.get(id)
  }

  /** Sets who is present, and returns the ids of the people whose colour has changed. */
  setPresent(ids) {
    const now = new Set(ids)
    for (const id of this.#present) if (!now.has(id)) this.#leave(id)
    const newcomers = [...now].filter((id) => !this.#present.has(id))
    // In a fixed order, so that the same people have the same colours after a reload.
    for (const id of newcomers.toSorted((a, b) => (a < b ? -1 : 1))) this.#enter(id)
    this.#forgetSome()
    return this.#separate()
  }

  clear() {
    this.#colours.clear()
    this.#present.clear()
    this.#uses.fill(0)
  }

  #enter(id) {
    this.#uses[this.of(id)]++
    this.#present.add(id)
  }

  #leave(id) {
    this.#present.delete(id)
    this.#uses[this.#colours.get(id)]--
  }

  /** If two people have the same colour while another one is free, the later one of them gets the free colour. */
  #separate() {
    const changed = []
    for (const id of [...this.#present].toReversed()) {
      if (!this.#uses.includes(0)) break
      const colour = this.#colours.get(id)
      if (this.#uses[colour] === 1) continue
      const other = this.#choose(id)
      this.#uses[colour]--
      this.#uses[other]++
      this.#colours.set(id, other)
      changed.push(id)
    }
    return changed
  }

  #forgetSome() {
    for (const id of this.#colours.keys()) {
      if (this.#colours.size <= this.#present.size + MAX_ABSENT) return
      if (!this.#present.has(id)) this.#colours.delete(id)
    }
  }

  /** The preferred colour of the name, unless a similar one is in use; then the rarest colour, as far as possible from the others. */
  #choose(id) {
    const preferred = preferenceOf(id)
    if (this.#distance(preferred) >= APART) return preferred
    const colours = this.#uses.map((_, i) => (preferred + i) % PALETTE)
    const fewest = Math.min(...this.#uses)
    const rarest = colours.filter((colour) => this.#uses[colour] === fewest)
    return rarest.reduce((best, colour) => (this.#distance(colour) > this.#distance(best) ? colour : best))
  }

  /** The distance to the nearest colour in use. */
  #distance(colour) {
    const distances = this.#uses.map((uses, used) =>
      uses === 0 ? PALETTE : Math.min((used - colour + PALETTE) % PALETTE, (colour - used + PALETTE) % PALETTE)
    )
    return Math.min(...distances)
  }
}

function preferenceOf(id) {
  let hash = 0
  for (const char of id) hash = (hash * 33 + char.codePointAt(0)) % 9973
  return hash % PALETTE
}
