import { report } from './report.ts'

/** A function that is called for an event. Nothing waits for what it returns. */
export type Listener = (...args: never[]) => unknown

/** Calls the listeners of events. A listener that throws, or whose promise rejects, does not disturb the others. */
export class Emitter {
  readonly #listeners = new Map<string, Set<Listener>>()

  on(event: string, listener: Listener): void {
    const listeners = this.#listeners.get(event) ?? new Set()
    this.#listeners.set(event, listeners.add(listener))
  }

  off(event: string, listener: Listener): void {
    this.#listeners.get(event)?.delete(listener)
  }

  /** Returns false if nobody listens. */
  emit(event: string, ...args: unknown[]): boolean {
    const listeners = [...(this.#listeners.get(event) ?? [])]
    for (const listener of listeners) run(listener as (...args: unknown[]) => unknown, args)
    return listeners.length > 0
  }
}

function run(listener: (...args: unknown[]) => unknown, args: unknown[]): void {
  try {
    const result = listener(...args)
    if (result !== undefined) Promise.resolve(result).catch(report)
  } catch (error) {
    report(error)
  }
}
