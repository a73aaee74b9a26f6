import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import { ensureDist } from '../../../support/dist.ts'
import { connect, eventually, type TestClient } from '../../../support/server.ts'

interface Reply {
  id?: number
  result?: unknown
  worker?: number
  pid?: number
  port?: number
  exit?: string | number
}

export interface WorkerReport {
  hubs: number
  events: string[]
  logs: { level: number; msg: string }[]
  stats: { isDegraded: boolean; missed: number; unpublished: number; received: number }
  listeners: number
}

/** A primary of node:cluster and its workers: `node.mjs` as processes. */
export class Workers {
  readonly #primary: ChildProcess
  readonly #waiting = new Map<number, (result: unknown) => void>()
  readonly #clients: TestClient[] = []
  readonly pids = new Map<number, number>()
  readonly exits = new Map<number, string | number>()
  readonly #ports = new Map<number, number>()
  #lastId = 0

  private constructor(options: object) {
    this.#primary = fork(join(__dirname, 'node.mjs'), [JSON.stringify(options)], { serialization: 'advanced' })
    this.#primary.on('message', (reply: Reply) => this.#onReply(reply))
  }

  static async start(options: { workers: number; serialization?: string; isLate?: boolean; isMemory?: boolean }) {
    ensureDist()
    const workers = new Workers(options)
    for (let i = 0; i < options.workers; i++) await workers.listens(i)
    return workers
  }

  #onReply({ id, result, worker = -1, pid, port, exit }: Reply): void {
    if (id !== undefined) this.#waiting.get(id)?.(result)
    if (exit !== undefined) this.exits.set(worker, exit)
    if (port === undefined || pid === undefined) return
    this.pids.set(worker, pid)
    this.#ports.set(worker, port)
  }

  /** Resolves when a worker listens. */
  async listens(worker: number): Promise<void> {
    await eventually(() => this.#ports.has(worker), `the start of worker ${worker}`)
  }

  /** Has the primary or a worker do something, as `node.mjs` says. */
  ask<Result = unknown>(worker: number | undefined, command: string, options: object = {}): Promise<Result> {
    const id = ++this.#lastId
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve as (result: unknown) => void)
      this.#primary.send({ worker, id, command, ...options })
    })
  }

  report(worker: number): Promise<WorkerReport> {
    return this.ask(worker, 'report')
  }

  signal(worker: number, signal: NodeJS.Signals): void {
    process.kill(this.pids.get(worker) as number, signal)
  }

  /** A client of a worker, which is in the room and greeted. */
  async client(worker: number, name: string): Promise<TestClient> {
    const client = await connect(`ws://127.0.0.1:${this.#ports.get(worker)}/?name=${name}`)
    this.#clients.push(client)
    await client.next()
    return client
  }

  async close(): Promise<void> {
    for (const { socket } of this.#clients) socket.terminate()
    if (this.#primary.exitCode !== null) return
    const exit = new Promise((resolve) => this.#primary.once('exit', resolve))
    this.#primary.disconnect()
    await exit
  }
}
