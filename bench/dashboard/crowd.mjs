import { WebSocket } from 'ws'

const ROOMS = 100
const CLOSE_CODES = [1000, 1001, 1001, 4001]
const between = (low, high) => low + Math.random() * (high - low)

/** Clients that come, talk, fall behind and go, until `hold` is called. Then those that are there stay, and are silent. */
export class Crowd {
  #ports
  #open = new Set()
  #timers = new Set()
  #isHeld = false

  constructor(ports) {
    this.#ports = ports
  }

  async gather(size) {
    for (let i = 0; i < size; i++) {
      this.#join()
      if (i % 20 === 19) await new Promise((resolve) => setTimeout(resolve, 20))
    }
    this.#every(2_000, () => this.#refuse())
  }

  hold() {
    this.#isHeld = true
    for (const timer of this.#timers) clearTimeout(timer)
  }

  close() {
    for (const socket of this.#open) socket.terminate()
  }

  #join() {
    if (this.#isHeld) return
    const port = this.#ports[Math.floor(Math.random() * this.#ports.length)]
    const path = Math.random() < 0.1 ? '/alerts' : `/rooms/${Math.floor(Math.random() ** 2 * ROOMS)}`
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`)
    this.#open.add(socket)
    socket.on('error', () => {})
    socket.on('open', () => this.#live(socket, path))
    socket.on('close', () => {
      this.#open.delete(socket)
      this.#after(between(0, 2_000), () => this.#join())
    })
  }

  #live(socket, path) {
    if (path !== '/alerts')
      this.#every(between(3_000, 9_000), () => socket.send(`hello from ${path}, ${'x'.repeat(80)}`), socket)
    if (Math.random() < 0.002) socket.pause()
    const code = CLOSE_CODES[Math.floor(Math.random() * CLOSE_CODES.length)]
    this.#after(between(10_000, 180_000), () => socket.close(code))
  }

  /** An upgrade that is refused. */
  #refuse() {
    if (Math.random() < 0.4) new WebSocket(`ws://127.0.0.1:${this.#ports[0]}/nowhere`).on('error', () => {})
  }

  #after(time, callback) {
    if (this.#isHeld) return
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      callback()
    }, time)
    this.#timers.add(timer)
  }

  #every(time, callback, socket) {
    this.#after(time, () => {
      if (socket !== undefined && socket.readyState !== WebSocket.OPEN) return
      callback()
      this.#every(time, callback, socket)
    })
  }
}
