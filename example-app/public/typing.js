import { byId, nameOf } from './view.js'

/** How often it is said that one is typing, and how long it is believed, in milliseconds. */
const SAY_EVERY = 3000
const BELIEVED_FOR = 6000
const MAX_NAMED = 2
/** Of more people it is not remembered. */
const MAX_TYPING = 20

/** Says that somebody types here: not at each key, and not to an empty box. */
export class OwnTyping {
  #tell
  #saidAt = -Infinity
  #isSaid = false

  /** @param tell is called with true and false; gives false where it cannot be told. */
  constructor(tell) {
    this.#tell = tell
  }

  changed(text) {
    if (text.trim() === '') return this.#stop()
    const now = performance.now()
    if (now - this.#saidAt < SAY_EVERY || !this.#tell(true)) return
    this.#saidAt = now
    this.#isSaid = true
  }

  /** The message itself says it to the others. */
  sent() {
    this.#isSaid = false
    this.#saidAt = -Infinity
  }

  #stop() {
    if (this.#isSaid) this.#tell(false)
    this.sent()
  }
}

/** Who else is typing. Whoever is not heard of again has stopped. */
export class OthersTyping {
  /** id → { name, timer } */
  #typing = new Map()

  started({ id, name }) {
    if (!this.#typing.has(id) && this.#typing.size >= MAX_TYPING) return
    clearTimeout(this.#typing.get(id)?.timer)
    this.#typing.set(id, { name, timer: setTimeout(() => this.stopped(id), BELIEVED_FOR) })
    this.#show()
  }

  stopped(id) {
    clearTimeout(this.#typing.get(id)?.timer)
    if (this.#typing.delete(id)) this.#show()
  }

  clear() {
    for (const id of this.#typing.keys()) this.stopped(id)
  }

  /** Only where it has changed: it is read out. */
  #show() {
    const names = [...this.#typing.values()].map(({ name }) => name)
    const key = JSON.stringify(names)
    const line = byId('typing')
    if (line.dataset.key === key) return
    line.dataset.key = key
    line.replaceChildren(...sentence(names))
  }
}

function sentence(names) {
  if (names.length === 0) return []
  if (names.length > MAX_NAMED + 1) return [`${names.length} people are typing`]
  const named = names.flatMap((name, i) => [i === 0 ? '' : i === names.length - 1 ? ' and ' : ', ', nameOf(name)])
  return [...named, names.length === 1 ? ' is typing' : ' are typing']
}
