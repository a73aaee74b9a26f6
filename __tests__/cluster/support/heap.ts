import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

/** Subscriptions to rooms without members linger for two seconds. */
const LINGER = 2_800

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** The bytes of heap that so many rounds leave behind after the lingering subscriptions have ended. */
export async function growth(count: number, round: (i: number) => unknown): Promise<number> {
  const before = await heap()
  for (let i = 0; i < count; i++) {
    void round(i)
    if (i % 100 === 99) await turn()
  }
  await new Promise((resolve) => setTimeout(resolve, LINGER))
  return (await heap()) - before
}

async function heap(): Promise<number> {
  await turn()
  gc()
  await turn()
  gc()
  return process.memoryUsage().heapUsed
}
