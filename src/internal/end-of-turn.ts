/** Something with work to do once the current callback, and the promise continuations that it sets off, have done theirs. */
export interface EndOfTick {
  endOfTick(): void
}

/** Something with work to do once the event loop has been round all sockets that have something to read. */
export interface EndOfTurn {
  endOfTurn(): void
}

let ticks: EndOfTick[] = []
let turns: EndOfTurn[] = []

/** Calls `target.endOfTick()` before the event loop goes on to the next callback. */
export function atEndOfTick(target: EndOfTick): void {
  if (ticks.push(target) === 1) process.nextTick(runTicks)
}

/**
 * Calls `target.endOfTurn()` before the event loop waits for its sockets again: what was written until then, in whatever tick,
 * leaves together. One callback of Node serves all targets, which costs less than one for each. Targets are called in the order
 * they came in; one that asks again meanwhile is called in the next turn.
 */
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
