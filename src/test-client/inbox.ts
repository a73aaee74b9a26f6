import { assertTimeout } from '../internal/close-codes.ts'
import { markHandled } from '../internal/promises.ts'
import { ExpectationError } from './expectation-error.ts'
import { after } from './timers.ts'

/** How long an expectation waits. */
export interface Within {
  /** In milliseconds of real time, also with fake timers. @default 1000 */
  within?: number
}

/** What a test expects. */
export interface Expectation<T> extends Within {
  /** For the error, such as `'"said"'`. */
  readonly name: string
  matches(item: T): boolean
  /** How an item is shown in the error, if not as it is. One that is undefined is left out. */
  readonly describe?: (item: T) => unknown
}

interface Waiting<T> {
  readonly expectation: Expectation<T>
  readonly resolve: (item: T) => void
  readonly fail: (failure: string) => void
}

const DEFAULT_WITHIN = 1000
const asItIs = (item: unknown): unknown => item

/** What has come and was not taken yet, and the expectations that wait for more. */
export class Inbox<T> {
  readonly #items: T[] = []
  readonly #waiting = new Set<Waiting<T>>()
  /** Says that no more comes, for errors. */
  #end: string | undefined

  /** Resolves with the first item that matches. The others stay, in their order. */
  take(expectation: Expectation<T>): Promise<T> {
    const { within = DEFAULT_WITHIN } = expectation
    return markHandled(
      new Promise((resolve, reject) => {
        assertTimeout(within)
        const at = this.#items.findIndex((item) => expectation.matches(item))
        if (at !== -1) return resolve(this.#items.splice(at, 1)[0] as T)
        const fail = (failure: string): void => {
          const shown = this.#items.map(expectation.describe ?? asItIs).filter((item) => item !== undefined)
          reject(new ExpectationError(expectation.name, failure, shown))
        }
        if (this.#end !== undefined) return fail(this.#end)
        this.#wait({ expectation, resolve, fail }, within)
      })
    )
  }

  /** Something has come. It goes to the first expectation that it matches. */
  add(item: T): void {
    for (const waiting of this.#waiting) if (waiting.expectation.matches(item)) return waiting.resolve(item)
    this.#items.push(item)
  }

  /** No more comes. @param failure such as `'before the connection was closed with 1000'`. */
  end(failure: string): void {
    this.#end = failure
    for (const { fail } of this.#waiting) fail(failure)
  }

  #wait({ expectation, resolve, fail }: Waiting<T>, within: number): void {
    const settle = (): void => {
      cancel()
      this.#waiting.delete(waiting)
    }
    const waiting: Waiting<T> = {
      expectation,
      resolve(item) {
        settle()
        resolve(item)
      },
      fail(failure) {
        settle()
        fail(failure)
      }
    }
    const cancel = after(within, () => waiting.fail(`within ${within} ms`))
    this.#waiting.add(waiting)
  }
}
