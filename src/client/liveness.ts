import { delayOf, type Timer } from './timers.ts'

/** How long the server has for the answer to a ping, in milliseconds. */
const PROBE_WITHIN = 5_000
/** Ticks of half a heartbeat without a message: between two and two and a half heartbeats. */
const MAX_SILENT_TICKS = 5

export interface LivenessHandlers {
  ping(): void
  /** Nothing came for too long. */
  onDead(): void
}

/**
 * Finds out that a connection is dead. A server that has nothing to say sends a ping every half heartbeat, so twice a heartbeat of
 * silence is the end. It counts ticks rather than time, because during a sleep of the computer there is nothing to hear.
 */
export class Liveness {
  readonly #handlers: LivenessHandlers
  readonly #tick: number
  readonly #ticks: Timer | undefined
  #tickedAt = Date.now()
  #silentTicks = 0
  #probe: Timer | undefined

  /** @param heartbeat in milliseconds; 0 for a server that sends no pings. */
  constructor(heartbeat: number, handlers: LivenessHandlers) {
    this.#handlers = handlers
    this.#tick = delayOf(heartbeat / 2)
    if (heartbeat > 0) this.#ticks = setInterval(() => this.#onTick(), this.#tick)
  }

  /** True while a ping has no answer. */
  get isProbing(): boolean {
    return this.#probe !== undefined
  }

  /** Something came. */
  onSign(): void {
    this.#silentTicks = 0
    clearTimeout(this.#probe)
    this.#probe = undefined
  }

  /** Sends a ping. Anything that comes is an answer. */
  probe(): void {
    if (this.#probe !== undefined) return
    this.#probe = setTimeout(() => this.#handlers.onDead(), PROBE_WITHIN)
    this.#handlers.ping()
  }

  stop(): void {
    clearInterval(this.#ticks)
    clearTimeout(this.#probe)
  }

  #onTick(): void {
    const now = Date.now()
    const hasSlept = now - this.#tickedAt > 2 * this.#tick
    this.#tickedAt = now
    if (hasSlept) this.probe()
    if (++this.#silentTicks >= MAX_SILENT_TICKS) this.#handlers.onDead()
  }
}
