import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { ensureDist } from '../support/dist.ts'
import { dropRawClients, RawClient } from '../support/raw-client.ts'
import { connect, eventually } from '../support/server.ts'

export interface State {
  sockets: number
  clients: number
  rooms: number
  /** Heap and external memory, in bytes, after a garbage collection. */
  held: number
  handled: number
  waiting: number
  log: string
}

const MIB = 1024 * 1024

/** The server under attack, in its own process. */
export class Target {
  port = 0
  readonly fatal: string[] = []
  #child!: ChildProcess
  #before!: State
  #lastId = 0

  async start(): Promise<void> {
    ensureDist()
    this.#child = fork(join(__dirname, 'server.mjs'), {
      execArgv: ['--expose-gc'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc']
    })
    // Several commands may wait for an answer at the same time.
    this.#child.setMaxListeners(0)
    this.#child.on('message', ({ fatal }: { fatal?: string }) => fatal !== undefined && this.fatal.push(fatal))
    const [{ port }] = (await once(this.#child, 'message')) as [{ port: number }]
    this.port = port
    // Once, so that memory allocated at the first connection is not counted.
    for (const path of ['/echo', '/json', '/room', '/few']) (await this.open(path)).reset()
    await eventually(async () => (await this.state()).sockets === 0)
    this.#before = await this.state()
  }

  /** An open connection that can send any bytes. */
  open(path: string, headers: Record<string, string> = {}): Promise<RawClient> {
    return new RawClient(this.port).open(path, headers)
  }

  ws(path: string): string {
    return `ws://127.0.0.1:${this.port}${path}`
  }

  async tell<T>(command: string): Promise<T> {
    const id = ++this.#lastId
    this.#child.send({ id, command })
    for (;;) {
      const [message] = (await once(this.#child, 'message')) as [{ id?: number; result: T }]
      if (message.id === id) return message.result
    }
  }

  state(): Promise<State> {
    return this.tell<State>('state')
  }

  /** Checks that the server still serves, that no other client was harmed, and that it has freed its memory. */
  async hasRecovered(): Promise<void> {
    const client = await connect(this.ws('/echo'))
    client.socket.send('still there?')
    if ((await client.next()) !== 'still there?') throw new Error('the server does not echo any more')
    client.socket.terminate()
    dropRawClients()
    await eventually(async () => (await this.state()).sockets === 0, 'the end of all sockets')
    const { clients, rooms, held } = await this.state()
    const grown = Math.round((held - this.#before.held) / MIB)
    const harm = JSON.stringify({ clients, rooms, fatal: this.fatal, grown: grown < 16 ? 0 : grown })
    if (harm !== '{"clients":0,"rooms":0,"fatal":[],"grown":0}')
      throw new Error(`the server has not recovered: ${harm}`)
  }

  /** Checks that the process ends by itself. */
  async close(): Promise<void> {
    dropRawClients()
    const exited = once(this.#child, 'exit')
    this.#child.send({ command: 'close' })
    const [code] = (await exited) as [number | null]
    if (code !== 0) throw new Error(`the server ended with ${code}`)
  }
}

/** One server for all tests of a file; it has to recover after each test. */
export function useTarget(): Target {
  const target = new Target()
  beforeAll(() => target.start())
  afterEach(() => target.hasRecovered())
  afterAll(() => target.close())
  return target
}
