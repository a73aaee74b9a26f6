import { ANSWER_TIMEOUT } from './driver.ts'

/** Waits for the answers of a server, and notices where none comes for too long. The libraries do not all tell that from a quiet time. */
export class Answers {
  readonly #late: () => void
  readonly #awaited = new Set<Promise<unknown>>()
  /** When something was answered last, or asked while nothing was awaited. */
  #since = 0
  #timer: NodeJS.Timeout | undefined

  constructor(late: () => void) {
    this.#late = late
  }

  await<T>(answer: Promise<T>): Promise<T> {
    if (this.#awaited.size === 0) this.#since = performance.now()
    this.#awaited.add(answer)
    this.#timer ??= this.#look(ANSWER_TIMEOUT)
    const came = (): void => {
      if (this.#awaited.delete(answer)) this.#since = performance.now()
    }
    answer.then(came, came)
    return answer
  }

  /** The connection is over. */
  forget(): void {
    this.#awaited.clear()
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** One timer serves all: it is cheaper than one for each answer. */
  #look(time: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#timer = undefined
      if (this.#awaited.size === 0) return
      const rest = ANSWER_TIMEOUT - (performance.now() - this.#since)
      if (rest > 0) this.#timer = this.#look(rest)
      else this.#late()
    }, time).unref()
  }
}
