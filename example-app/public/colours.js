/** As many as `style.css` has, around the circle of hues: neighbours look alike. */
export const PALETTE = 12
/** How far two colours must be apart to be told apart with ease. */
const APART = 3
/** Of so many people who are no longer here the colours are remembered. */
const MAX_ABSENT = 500

/** A colour for each person. Those who are here at the same time have different ones for as long as there are enough. */
export class Colours {
  #colours = new Map()
  #present = new Set()
  /** By how many of those who are here each colour is used. */
  #uses = Array.from({ length: PALETTE }, () => 0)

  of(id) {
    if (!this.#colours.has(id)) this.#colours.set(id, this.#choose(id))
    return this.#colours.get(id)
  }

  /** Gives the ids of those who have another colour than before. */
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

  /** Where two have the same colour while another is free, whoever came last gets that one. */
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

  /** The one that the name stands for, unless somebody has one like it; then the one that is farthest from those of the others. */
  #choose(id) {
    const preferred = preferenceOf(id)
    if (this.#distance(preferred) >= APART) return preferred
    const colours = this.#uses.map((_, i) => (preferred + i) % PALETTE)
    const fewest = Math.min(...this.#uses)
    const rarest = colours.filter((colour) => this.#uses[colour] === fewest)
    return rarest.reduce((best, colour) => (this.#distance(colour) > this.#distance(best) ? colour : best))
  }

  /** From the nearest colour that is used. */
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
