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
  #uses = new Array(PALETTE).fill(0)

  of(id) {
    if (!this.#colours.has(id)) this.#colours.set(id, this.#choose(id))
    return this.#colours.get(id)
  }

  /** Gives the ids of those who have another colour than before. */
  setPresent(ids) {
    const now = new Set(ids)
    for (const id of this.#present) if (!now.has(id)) this.#leave(id)
    // In a fixed order, so that the same people have the same colours after a reload.
    const newcomers = [...now].filter((id) => !this.#present.has(id)).toSorted()
    const changed = newcomers.filter((id) => this.#enter(id))
    this.#forgetSome()
    return changed
  }

  clear() {
    this.#colours.clear()
    this.#present.clear()
    this.#uses.fill(0)
  }

  /** True where the colour that was theirs is somebody else's now. */
  #enter(id) {
    const had = this.#colours.get(id)
    const isTaken = this.#uses[had] > 0 && this.#uses.includes(0)
    if (had === undefined || isTaken) this.#colours.set(id, this.#choose(id))
    this.#present.add(id)
    this.#uses[this.#colours.get(id)]++
    return isTaken
  }

  #leave(id) {
    this.#present.delete(id)
    this.#uses[this.#colours.get(id)]--
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
    const distances = this.#uses.map((uses, used) => (uses === 0 ? PALETTE : Math.min((used - colour + PALETTE) % PALETTE, (colour - used + PALETTE) % PALETTE)))
    return Math.min(...distances)
  }
}

function preferenceOf(id) {
  let hash = 0
  for (const char of id) hash = (hash * 33 + char.codePointAt(0)) % 9973
  return hash % PALETTE
}
