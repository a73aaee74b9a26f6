import { setTimeout as sleep } from 'node:timers/promises'

/** How long an engine may take until all of it works again, in milliseconds. */
const PATIENCE = 60_000

/** Waits until it is true of an engine; one that does not answer yet may reject. */
export async function patiently(condition: () => Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + PATIENCE
  while (!(await condition().catch(() => false))) {
    if (performance.now() > end) throw new Error(`${what} did not come true within ${PATIENCE} ms`)
    await sleep(50)
  }
}
