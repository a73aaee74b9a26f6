import { byId, nameOf } from './view.js'

/** How often we say that we are typing, and how long we show that others are, in milliseconds. */
const SAY_EVERY = 3000
const BELIEVED_FOR = 6000
const MAX_NAMED = 2
/** How many people are tracked. */
const MAX_TYPING = 20

/** Tells the server that we are typing: not at each key, and not while the box is empty. */
export class OwnTyping {
  #tell
  #saidAt = -Infinity
  #isSaid = false

  /** @param tell `(active)`; returns false if we are not connected. */
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

  /** Call it when a message was sent, which ends the typing for the others, too. */
  sent() {
    this.#isSaid = false
    this.#saidAt = -Infinity
  }

  #stop() {
    if (this.#isSaid) this.#tell(false)
    this.sent()
  }
}

/** Who else is typing. Without another notice, a person counts as stopped after a while. */
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

  /** Writes only changes, because screen readers read the line. */
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
