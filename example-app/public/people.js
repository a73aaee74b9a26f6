import { byId, counted, personItem, repaint } from './view.js'

/** A restarted server has forgotten its guests, and announces them as they come back. In this time they are no news. */
const BACK_WITHIN = 15_000

/** The people in the room, as far as we know. */
export class People {
  #colours
  #self
  /** id → name */
  #members = new Map()
  #isCurrent = false
  /** The people who were here when the connection was lost; their return is no news. */
  #before = new Set()
  #beforeUntil = 0

  constructor(colours) {
    this.#colours = colours
  }

  get count() {
    return this.#members.size
  }

  has(id) {
    return this.#members.has(id)
  }

  /** @param isReturn true if we are back in the same room. */
  welcome(self, members, isReturn) {
    this.#before = new Set(isReturn ? this.#members.keys() : [])
    this.#beforeUntil = Date.now() + BACK_WITHIN
    if (!isReturn) this.#colours.clear()
    this.#self = self
    this.#members = new Map(members.map(({ id, name }) => [id, name]))
    this.#isCurrent = true
    this.show()
  }

  /** Adds a person; true if the log should say so. */
  add({ id, name }) {
    const isBack = this.#before.delete(id) && Date.now() < this.#beforeUntil
    const isNew = !this.#members.has(id)
    this.#members.set(id, name)
    this.show()
    return isNew && !isBack
  }

  remove({ id }) {
    const was = this.#members.delete(id)
    this.show()
    return was
  }

  /** The list is out of date until we are connected again. */
  setOffline() {
    this.#isCurrent = false
    this.show()
  }

  clear() {
    this.#members.clear()
    this.#before.clear()
    this.#colours.clear()
  }

  show() {
    for (const id of this.#colours.setPresent(this.#members.keys())) repaint(id, this.#colours.of(id))
    const people = [...this.#members]
      .map(([id, name]) => ({ id, name }))
      .toSorted((a, b) => a.name.localeCompare(b.name))
    byId('people').replaceChildren(
      ...people.map((person) => personItem(person, this.#colours.of(person.id), person.id === this.#self))
    )
    byId('people-count').textContent = people.length
    byId('here').dataset.current = this.#isCurrent
    byId('people-stale').hidden = this.#isCurrent || people.length === 0
    byId('subtitle').textContent = this.#summary()
  }

  #summary() {
    const count = this.#members.size
    if (this.#isCurrent) return count === 1 ? 'Only you are here' : `${count.toLocaleString()} people here`
    return count === 0 ? 'Not connected yet' : `${counted(count, 'person was', 'people were')} here`
  }
}
