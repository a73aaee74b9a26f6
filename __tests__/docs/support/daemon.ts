import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** The path of a program; undefined if it is not installed. */
export function findProgram(name: string): string | undefined {
  // Debian keeps servers in /usr/sbin, which is often not on the PATH.
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin']
  return folders
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

const running = new Set<Daemon>()

/** A program that runs until it gets a signal. */
export class Daemon {
  readonly #child: ChildProcess
  readonly #waiting: (() => void)[] = []
  readonly #ended: Promise<number | NodeJS.Signals>
  #result: number | NodeJS.Signals | undefined
  /** What it has written to stdout and stderr. */
  output = ''

  constructor(command: string, args: string[], options: { cwd?: string; env?: Record<string, string> } = {}) {
    const env = { ...process.env, ...options.env }
    this.#child = spawn(command, args, { cwd: options.cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (chunk) => {
        this.output += String(chunk)
        this.#wake()
      })
    }
    this.#ended = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        this.#result = code ?? signal ?? 1
        running.delete(this)
        this.#wake()
        resolve(this.#result)
      })
    })
    running.add(this)
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  /** Waits until the output matches a pattern, and returns the match. */
  async wrote(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.output)
      if (match !== null) return match
      if (this.#result !== undefined)
        throw new Error(`it ended with ${this.#result} before it wrote ${pattern}:\n${this.output}`)
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Its exit code, or the signal that ended it, once it has ended. */
  ended(): Promise<number | NodeJS.Signals> {
    return this.#ended
  }
}

/** Ends the programs that are still running: call it in `afterEach`. */
export async function endDaemons(): Promise<void> {
  await Promise.all(
    [...running].map((daemon) => {
      daemon.kill('SIGTERM')
      return daemon.ended()
    })
  )
}
