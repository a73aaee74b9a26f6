/** How many of the last steps are reported. */
const STEPS = 120

/** The steps and faults of a walk. */
export class Trace {
  readonly faults: string[] = []
  readonly #steps: string[] = []
  readonly #startedAt = performance.now()

  step(what: string): void {
    this.#steps.push(`${this.#time()} ${what}`)
    if (this.#steps.length > STEPS) this.#steps.shift()
  }

  fault(what: string): void {
    this.faults.push(`${this.#time()} ${what}`)
    this.step(`!!! ${what}`)
  }

  /** The last steps. */
  toString(): string {
    return this.#steps.join('\n')
  }

  /** @throws if there were faults */
  assertNone(title: string): void {
    if (this.faults.length > 0)
      throw new Error([`${title}:`, ...this.faults.slice(0, 20), '', 'The last steps:', ...this.#steps].join('\n'))
  }

  #time(): string {
    return `${((performance.now() - this.#startedAt) / 1000).toFixed(3)} s`
  }
}
