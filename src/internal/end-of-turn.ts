import { immediate, nextTick } from './event-loop.ts'

/*
 * A tick is one callback of Node.js with the promise continuations that it sets off. A turn is one round of the event loop: the
 * ticks of all sockets that have something to read. What many objects do at the end of either shares one callback of Node.js,
 * which costs less than one callback for each.
 */

/** Something with work to do at the end of a tick. */
export interface EndOfTick {
  endOfTick(): void
}

/** Something with work to do at the end of a turn. */
export interface EndOfTurn {
  endOfTurn(): void
}

let ticks: EndOfTick[] = []
let turns: EndOfTurn[] = []

/** Calls `target.endOfTick()` before the event loop goes on to the next callback. */
export function atEndOfTick(target: EndOfTick): void {
  if (ticks.push(target) === 1) nextTick(runTicks)
}

/**
 * Calls `target.endOfTurn()` before the event loop waits for its sockets again: what was written in any tick of the turn leaves
 * together. Targets are called in the order in which they were added; a target added meanwhile is called in the next turn.
 */
export function atEndOfTurn(target: EndOfTurn): void {
  if (turns.push(target) === 1) immediate(runTurns)
}

function runTicks(): void {
  const due = ticks
  ticks = []
  for (const target of due) target.endOfTick()
}

function runTurns(): void {
  const due = turns
  turns = []
  for (const target of due) target.endOfTurn()
}
