/** Something with work to do once the current turn of the event loop has done all of its own. */
export interface EndOfTick {
  endOfTick(): void
}

/** Something with work to do once the sockets had a chance to take what was written. */
export interface EndOfTurn {
  endOfTurn(): void
}

let ticks: EndOfTick[] = []
let turns: EndOfTurn[] = []

/**
 * Calls `target.endOfTick()` after the callback that runs now and after the promise continuations that it sets off, so that
 * all they write leaves together. Targets are called in the order they came in; each asks once until it is called.
 */
export function atEndOfTick(target: EndOfTick): void {
  if (ticks.push(target) === 1) process.nextTick(runTicks)
}

/** Calls `target.endOfTurn()` once the event loop has gone round to its sockets. */
export function atEndOfTurn(target: EndOfTurn): void {
  if (turns.push(target) === 1) setImmediate(runTurns)
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
