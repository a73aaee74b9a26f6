import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Trace } from './trace.ts'

interface Answer {
  id: number
  result?: unknown
  faults: string[]
}

interface Step {
  /** The step to add to the trace. */
  step: string
}

/** A process with one node, or with all nodes if they are in memory. */
export class WalkProcess {
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown>
  readonly #answers = new Map<number, (result: unknown) => void>()
  readonly #trace: Trace
  #lastId = 0
  #isEnded = false

  constructor(trace: Trace) {
    this.#trace = trace
    this.#child = fork(join(__dirname, 'child.mjs'))
    this.#exited = once(this.#child, 'exit').then(() => this.#ended())
    this.#child.on('message', (message) => this.#heard(message as Answer | Step))
  }

  /** Settles with undefined if the process ends before it answers. */
  ask<T = void>(command: string, options: object = {}): Promise<T | undefined> {
    if (this.#isEnded) return Promise.resolve(undefined)
    const id = ++this.#lastId
    this.#child.send({ id, command, ...options }, () => {})
    return new Promise((resolve) => this.#answers.set(id, resolve as (result: unknown) => void))
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(signal)
  }

  async kill(): Promise<void> {
    this.#isEnded = true
    this.#child.kill('SIGKILL')
    await this.#exited
  }

  async close(): Promise<void> {
    const timer = setTimeout(() => {
      this.#trace.fault('a process does not end')
      this.#child.kill('SIGKILL')
    }, 10_000)
    if (!this.#isEnded) this.#child.send({ id: 0, command: 'close' })
    this.#isEnded = true
    await this.#exited
    clearTimeout(timer)
  }

  #heard(message: Answer | Step): void {
    if ('step' in message) return this.#trace.step(message.step)
    const { id, result, faults } = message
    for (const fault of faults) this.#trace.fault(fault)
    this.#answers.get(id)?.(result)
    this.#answers.delete(id)
  }

  #ended(): void {
    if (!this.#isEnded) this.#trace.fault(`a process has ended with ${this.#child.exitCode ?? this.#child.signalCode}`)
    this.#isEnded = true
    for (const answer of this.#answers.values()) answer(undefined)
    this.#answers.clear()
  }
}
