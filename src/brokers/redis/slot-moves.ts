// Keeps messages in order while a slot moves from one server to another: the former server may still be passing on messages when the
// new one already takes them.

import type { Topology } from './driver.ts'
import { SLOTS, slotOf } from './slot.ts'

/** How long nothing is published on channels whose slot has moved, in milliseconds. */
const MOVE_DELAY = 250

/** Remembers for a moment which slots have moved. */
export class SlotMoves {
  /** The topology before the last move; undefined once that is long ago. */
  #before: Topology | undefined
  #current: Topology | undefined
  #movedAt = -Infinity

  update(topology: Topology): void {
    const before = this.#current
    this.#current = topology
    if (before === undefined || isSame(before, topology)) return
    this.#before = before
    this.#movedAt = performance.now()
  }

  /** True if the channel's slot has moved within MOVE_DELAY. */
  hasJustMoved(channel: string): boolean {
    if (this.#before === undefined) return false
    if (performance.now() - this.#movedAt > MOVE_DELAY) {
      this.#before = undefined
      return false
    }
    const slot = slotOf(channel)
    return this.#before.masterOf(slot) !== this.#current?.masterOf(slot)
  }
}

function isSame(a: Topology, b: Topology): boolean {
  for (let slot = 0; slot < SLOTS; slot++) if (a.masterOf(slot) !== b.masterOf(slot)) return false
  return true
}
