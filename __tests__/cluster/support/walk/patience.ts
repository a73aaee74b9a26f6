import { setTimeout as sleep } from 'node:timers/promises'

/** How long an engine may take until it works completely again, in milliseconds. */
const PATIENCE = 60_000

/** Waits until a condition of an engine is true. It may reject while the engine does not answer yet. */
export async function patiently(condition: () => Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + PATIENCE
  while (!(await condition().catch(() => false))) {
    if (performance.now() > end) throw new Error(`${what} did not come true within ${PATIENCE} ms`)
    await sleep(50)
  }
}
