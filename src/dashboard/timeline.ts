import type { RouteStats } from '../observe/stats.ts'

/** How often the numbers are sampled, in milliseconds. */
export const PERIOD = 5_000
/** How many samples are kept: ten minutes. */
export const SLOTS = 120

/** The lines of a chart, the newest sample last. `null` stands for a time without a sample. */
export type Line = (number | null)[]

/** What is sampled of a route, or of all routes. */
export interface Lines {
  /** Open connections. */
  open: Line
  /** Messages of clients, per second. */
  messagesIn: Line
  /** Messages to clients, per second. */
  messagesOut: Line
  /** Refused upgrades, in the time of a sample. */
  refused: Line
  /** How often a client was called slow, in the time of a sample. */
  slow: Line
}

/** What a sample is made of. */
interface Counts {
  open: number
  messagesIn: number
  messagesOut: number
  refused: number
  slow: number
}

/** A ring of the last samples. A slot is a time of PERIOD milliseconds since the start of the process. */
export class Ring {
  readonly #values = new Float64Array(SLOTS).fill(NaN)
  #last = -1

  set(slot: number, value: number): void {
    // Nothing was sampled in the slots between.
    for (let skipped = Math.max(this.#last + 1, slot - SLOTS); skipped < slot; skipped++)
      this.#values[skipped % SLOTS] = NaN
    this.#values[slot % SLOTS] = value
    this.#last = slot
  }

  /** The values up to a slot, rounded to a tenth. */
  line(slot: number): Line {
    return Array.from({ length: SLOTS }, (_, i) => {
      const one = slot - SLOTS + 1 + i
      const value = one < 0 || one > this.#last ? NaN : (this.#values[one % SLOTS] as number)
      return Number.isNaN(value) ? null : Math.round(value * 10) / 10
    })
  }
}

/** The samples of a route, or of all routes. */
export class Timeline {
  readonly #rings = {
    open: new Ring(),
    messagesIn: new Ring(),
    messagesOut: new Ring(),
    refused: new Ring(),
    slow: new Ring()
  }
  #counts: Counts

  constructor(stats: RouteStats | undefined) {
    this.#counts = countsOf(stats)
  }

  /** Adds the numbers at the end of a slot, `seconds` after the sample before. */
  add(slot: number, seconds: number, stats: RouteStats): void {
    const counts = countsOf(stats)
    const { open, messagesIn, messagesOut, refused, slow } = this.#rings
    open.set(slot, counts.open)
    messagesIn.set(slot, (counts.messagesIn - this.#counts.messagesIn) / seconds)
    messagesOut.set(slot, (counts.messagesOut - this.#counts.messagesOut) / seconds)
    refused.set(slot, counts.refused - this.#counts.refused)
    slow.set(slot, counts.slow - this.#counts.slow)
    this.#counts = counts
  }

  lines(slot: number): Lines {
    const { open, messagesIn, messagesOut, refused, slow } = this.#rings
    return {
      open: open.line(slot),
      messagesIn: messagesIn.line(slot),
      messagesOut: messagesOut.line(slot),
      refused: refused.line(slot),
      slow: slow.line(slot)
    }
  }
}

function countsOf(stats: RouteStats | undefined): Counts {
  if (stats === undefined) return { open: 0, messagesIn: 0, messagesOut: 0, refused: 0, slow: 0 }
  const { open, messagesIn, messagesOut, slow } = stats
  return { open, messagesIn, messagesOut, slow, refused: sumOf(stats.refused) }
}

export function sumOf(counts: Record<string, number>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}
