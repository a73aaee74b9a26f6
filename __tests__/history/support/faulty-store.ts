import { setTimeout as sleep } from 'node:timers/promises'
import type { HistoryStore } from '../../../src/index.ts'

/** What goes wrong with a call: nothing, it is refused, or it takes effect and its answer is lost. */
export type Fault = 'none' | 'refused' | 'answerLost'

/** A store whose calls take time and may fail. Like the connection of an engine, it keeps the order of the calls. */
export function faultyStore(store: HistoryStore, decide: () => { fault: Fault; delay: number }): HistoryStore {
  let last: Promise<unknown> = Promise.resolve()
  const call = <T>(run: () => Promise<T>): Promise<T> => {
    const { fault, delay } = decide()
    const result = last.then(async () => {
      if (delay > 0) await sleep(delay)
      if (fault === 'refused') throw new Error('refused')
      const answer = await run()
      if (fault === 'answerLost') throw new Error('the answer was lost')
      return answer
    })
    last = result.catch(() => {})
    return result
  }
  return {
    append: (...args) => call(() => store.append(...args)),
    read: (...args) => call(() => store.read(...args)),
    positions: (...args) => call(() => store.positions(...args)),
    clear: (...args) => call(() => store.clear(...args))
  }
}
