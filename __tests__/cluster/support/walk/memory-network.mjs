import { memoryBroker, MemoryEngine } from '../../../../dist/esm/index.js'

/**
 * Nodes in one process, over memory brokers. Messages between them can be lost, late, or held back; the others stay in order.
 */
export class MemoryNetwork {
  #engine = new MemoryEngine()
  #lines = new Map()
  #loss = 0
  #delay = 0

  /** Sets the probability that a message is lost, and the maximum delay in milliseconds. */
  weather(loss, delay) {
    this.#loss = loss
    this.#delay = delay
  }

  /** A memory broker whose messages go through lines of its own, one in each direction. */
  broker(name) {
    const broker = memoryBroker({ engine: this.#engine })
    const [incoming, outgoing] = [this.#line(name), this.#line(name)]
    const { publish, open } = broker
    broker.publish = (channel, message) => {
      const bytes = Uint8Array.from(message)
      outgoing.carry(() => void publish.call(broker, channel, bytes))
      return Promise.resolve()
    }
    broker.open = (node) => {
      const receive = (channel, message) => {
        if (Math.random() >= this.#loss)
          incoming.carry(() => node.receive(channel, message), Math.random() * this.#delay)
      }
      open.call(broker, { receive, lost: (error) => node.lost(error) })
    }
    return broker
  }

  /** Holds back all messages to and from a node until `resume`. */
  hold(name) {
    for (const line of this.#lines.get(name) ?? []) line.hold()
  }

  resume(name) {
    for (const line of this.#lines.get(name) ?? []) line.resume()
  }

  /** Drops all messages to and from a node from now on. */
  cut(name) {
    for (const line of this.#lines.get(name) ?? []) line.cut()
  }

  #line(name) {
    const line = new Line()
    this.#lines.set(name, [...(this.#lines.get(name) ?? []), line])
    return line
  }
}

/** Delivers messages in order. */
class Line {
  #waiting = []
  #isHeld = false
  #isCut = false
  #timer

  carry(deliver, delay = 0) {
    if (this.#isCut) return
    this.#waiting.push({ deliver, at: performance.now() + delay })
    this.#run()
  }

  hold() {
    this.#isHeld = true
  }

  resume() {
    this.#isHeld = false
    this.#run()
  }

  cut() {
    this.#isCut = true
    this.#waiting.length = 0
  }

  #run() {
    clearTimeout(this.#timer)
    this.#timer = undefined
    while (!this.#isHeld && this.#waiting.length > 0 && this.#waiting[0].at <= performance.now())
      this.#waiting.shift().deliver()
    if (!this.#isHeld && this.#waiting.length > 0)
      this.#timer = setTimeout(() => this.#run(), this.#waiting[0].at - performance.now())
  }
}
