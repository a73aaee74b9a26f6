import type { CloseError } from '../../internal/close.ts'
import { markHandled } from '../silenced.ts'

interface Write {
  resolve: () => void
  reject: (error: Error) => void
}

/** Those who are to be told how the sending goes: writes that wait for room, and callbacks for when nothing waits any more. */
export class Waiters {
  #writes: Write[] | undefined
  #onCaughtUp: (() => void) | undefined
  #onEmpty: (() => void) | undefined

  /** True where a write waits. */
  get hasWrites(): boolean {
    return this.#writes !== undefined
  }

  /** Waits until `resolve` or `reject` is called. */
  write(): Promise<void> {
    return markHandled(new Promise<void>((resolve, reject) => (this.#writes ??= []).push({ resolve, reject })))
  }

  /** There is room again. */
  resolve(): void {
    const writes = this.#writes
    this.#writes = undefined
    for (const { resolve } of writes ?? []) resolve()
  }

  reject(error: () => CloseError): void {
    const writes = this.#writes
    this.#writes = undefined
    for (const { reject } of writes ?? []) reject(error())
  }

  /** Calls back once nothing waits, in the order they asked. */
  onCaughtUp(callback: () => void): void {
    const earlier = this.#onCaughtUp
    this.#onCaughtUp = () => {
      earlier?.()
      callback()
    }
  }

  /** Calls back, as the last one, once nothing waits; undefined takes it back. */
  onEmpty(callback: (() => void) | undefined): void {
    this.#onEmpty = callback
  }

  /** Nothing waits any more. */
  empty(): void {
    const onCaughtUp = this.#onCaughtUp
    const onEmpty = this.#onEmpty
    if (onCaughtUp === undefined && onEmpty === undefined) return
    this.#onCaughtUp = undefined
    this.#onEmpty = undefined
    onCaughtUp?.()
    onEmpty?.()
  }
}
