/** How many of the last steps are told. */
const STEPS = 120

/** What has been done in a walk, and what was wrong. */
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

  /** What has been done last. */
  toString(): string {
    return this.#steps.join('\n')
  }

  /** @throws if something was wrong */
  assertNone(title: string): void {
    if (this.faults.length > 0)
      throw new Error([`${title}:`, ...this.faults.slice(0, 20), '', 'The last steps:', ...this.#steps].join('\n'))
  }

  #time(): string {
    return `${((performance.now() - this.#startedAt) / 1000).toFixed(3)} s`
  }
}
