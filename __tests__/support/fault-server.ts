import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { BlazeWsOptions, HubStats } from '../../src/index.ts'

export interface FaultOptions extends BlazeWsOptions {
  /** The destination of the log; without it, nothing is logged. */
  logger?: 'throws' | 'full'
  /** Fastify's option of this name. */
  forceCloseConnections?: boolean
  /** The limit of open files of the process. */
  files?: number
}

export interface FaultReport {
  /** The number of messages that the handler has started to process. */
  busy: number
  faults: string[]
  failedLogs: number
  date: number
  hub: HubStats
}

const CHILD = join(__dirname, 'fault-child.mjs')
const running = new Set<ChildProcess>()

/** A server in a separate process, which tests can harm. */
export class FaultServer {
  readonly process: ChildProcess
  readonly exited: Promise<unknown[]>
  port = 0

  private constructor({ files, ...options }: FaultOptions) {
    const node = [process.execPath, CHILD, JSON.stringify(options)]
    // The channel to the child is one of its open files, and goes through the shell.
    const [command = '', ...args] =
      files === undefined ? node : ['bash', '-c', `ulimit -n ${files}; exec "$@"`, 'bash', ...node]
    this.process = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.exited = once(this.process, 'exit')
    running.add(this.process)
  }

  static async start(options: FaultOptions = {}): Promise<FaultServer> {
    const server = new FaultServer(options)
    server.port = (await server.#message<{ port: number }>('ready')).port
    return server
  }

  ws(path: string): string {
    return `ws://127.0.0.1:${this.port}${path}`
  }

  /** Sends a command; resolves with the server's answer once it is carried out. */
  async ask(name: string, options: object = {}): Promise<FaultReport> {
    const answer = this.#message<FaultReport>(name)
    this.process.send({ name, ...options })
    return answer
  }

  async #message<T>(name: string): Promise<T> {
    for (;;) {
      const [message] = (await Promise.race([once(this.process, 'message'), this.exited])) as [
        { name: string } | number | null
      ]
      if (message === null || typeof message !== 'object')
        throw new Error(`the server ended with ${message} before "${name}"`)
      if (message.name === name) return message as T
    }
  }
}

/** Ends the servers that are still running: call it in `afterEach`. */
export async function endFaultServers(): Promise<void> {
  const left = [...running].filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
  running.clear()
  await Promise.all(
    left.map(async (child) => {
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    })
  )
}
