import { byId, counted, personItem, repaint } from './view.js'

/** A server that has restarted remembers nobody, and tells of all as they come back. */
const BACK_WITHIN = 15_000

/** Who is in the room, as far as we know. */
export class People {
  #colours
  #self
  /** id → name */
  #members = new Map()
  #isCurrent = false
  /** Those who were here when the connection was lost; that they come back is no news. */
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

  /** @param isReturn to the room where we were */
  welcome(self, members, isReturn) {
    this.#before = new Set(isReturn ? this.#members.keys() : [])
    this.#beforeUntil = Date.now() + BACK_WITHIN
    if (!isReturn) this.#colours.clear()
    this.#self = self
    this.#members = new Map(members.map(({ id, name }) => [id, name]))
    this.#isCurrent = true
    this.show()
  }

  /** True where it is news. */
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

  /** Nobody tells us any more who comes and goes. */
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
