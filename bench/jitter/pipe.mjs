/** One direction of a connection. Bytes keep their order, whatever happens to the delay. */
export class Pipe {
  #from
  #to
  #delay
  #isFrozen
  #isFull = false
  /** What waits for its time: `{ due, chunk }`. Without a chunk it is the end. */
  #queue = []
  #timer

  constructor(from, to, { isFrozen, delay }) {
    this.#from = from
    this.#to = to
    this.#delay = delay
    this.#isFrozen = isFrozen
    from.once('close', () => this.push(undefined))
    to.on('drain', () => this.#setFull(false))
    to.once('close', () => {
      clearTimeout(this.#timer)
      this.#queue = []
    })
    this.#flow()
  }

  set({ isFrozen, delay }) {
    this.#isFrozen = isFrozen
    this.#delay = delay
    this.#flow()
    // What came before a freeze waits, too.
    clearTimeout(this.#timer)
    if (!isFrozen) this.#forward()
  }

  /** Something has come. Undefined is the end. */
  push(chunk) {
    if (this.#delay === 0 && this.#queue.length === 0 && !this.#isFrozen) this.#write(chunk)
    else this.#keep(chunk)
  }

  #keep(chunk) {
    const last = this.#queue.at(-1)?.due ?? 0
    this.#queue.push({ due: Math.max(last, Date.now() + this.#delay), chunk })
    if (this.#queue.length === 1 && !this.#isFrozen) this.#forward()
  }

  /** Writes what is due, and comes back for the rest. */
  #forward() {
    const now = Date.now()
    let count = 0
    while (count < this.#queue.length && this.#queue[count].due <= now) this.#write(this.#queue[count++].chunk)
    this.#queue.splice(0, count)
    if (this.#queue.length > 0) this.#timer = setTimeout(() => this.#forward(), this.#queue[0].due - now)
  }

  #write(chunk) {
    if (chunk === undefined) this.#to.destroySoon()
    else if (!this.#to.destroyed && !this.#to.write(chunk)) this.#setFull(true)
  }

  #setFull(isFull) {
    this.#isFull = isFull
    this.#flow()
  }

  #flow() {
    if (this.#isFrozen || this.#isFull) this.#from.pause()
    else this.#from.resume()
  }
}
