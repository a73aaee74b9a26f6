import type { ConformanceTest } from '../../brokers/conformance/broker-test.ts'
import type { HistoryStore } from '../store.ts'
import { EPOCHS } from './epochs.ts'
import { interruptions, losses, restarts } from './faults.ts'
import type { HistoryTest, HistoryUnderTest } from './history-test.ts'
import { NUMBERS } from './numbers.ts'
import { publications } from './publications.ts'
import { READS } from './reads.ts'
import { RETENTION } from './retention.ts'

/**
 * The tests of the contract in `HistoryStore`. A test takes up to 10 seconds for each thing that must happen. Those of the time for
 * which things are kept take some seconds.
 */
export function historyConformance(history: HistoryUnderTest): ConformanceTest[] {
  return testsFor(history).map(([name, run]) => ({
    name,
    async run() {
      const stores: HistoryStore[] = []
      const makeStore = async (): Promise<HistoryStore> => {
        const store = await history.create()
        store.open?.()
        stores.push(store)
        return store
      }
      try {
        await run(makeStore)
      } finally {
        await Promise.all(stores.map(async (store) => store.close?.()))
      }
    }
  }))
}

function testsFor({ restart, lose, interrupt, createBroker }: HistoryUnderTest): HistoryTest[] {
  const tests = [...NUMBERS, ...READS, ...RETENTION, ...EPOCHS]
  if (restart !== undefined) tests.push(restarts(restart))
  if (lose !== undefined) tests.push(...losses(lose))
  if (interrupt !== undefined) tests.push(...interruptions(interrupt))
  if (createBroker !== undefined) tests.push(publications(createBroker))
  return tests
}
