/** Something with work to do once the current turn of the event loop has done all of its own. */
export interface EndOfTick {
  endOfTick(): void
}

let waiting: EndOfTick[] = []

/**
 * Calls `target.endOfTick()` after the callback that runs now and after the promise continuations that it sets off, so that
 * all they write leaves together. Targets are called in the order they came in; each asks once until it is called.
 */
export function atEndOfTick(target: EndOfTick): void {
  if (waiting.push(target) === 1) process.nextTick(run)
}

function run(): void {
  const due = waiting
  waiting = []
  for (const target of due) target.endOfTick()
}
