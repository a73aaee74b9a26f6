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
  /** Heap and what is outside of it, in bytes, after a collection. */
  held: number
  handled: number
  waiting: number
  log: string
}

const MIB = 1024 * 1024

/** A server in a process of its own, to be attacked. */
export class Target {
  readonly #child: ChildProcess
  readonly port: number
  readonly fatal: string[] = []
  #before!: State
  #lastId = 0

  private constructor(child: ChildProcess, port: number) {
    this.#child = child
    // Several questions may wait at the same time.
    child.setMaxListeners(0)
    this.port = port
    child.on('message', ({ fatal }: { fatal?: string }) => fatal !== undefined && this.fatal.push(fatal))
  }

  static async start(): Promise<Target> {
    ensureDist()
    const child = fork(join(__dirname, 'server.mjs'), { execArgv: ['--expose-gc'], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const [{ port }] = (await once(child, 'message')) as [{ port: number }]
    const target = new Target(child, port)
    // Once, so that what is made at the first connection is not counted.
    for (const path of ['/echo', '/json', '/room', '/few']) (await new RawClient(port).open(path)).reset()
    await eventually(async () => (await target.state()).sockets === 0)
    target.#before = await target.state()
    return target
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

  /** It still serves, nobody else was harmed, and what the attack took is given back. */
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
    if (harm !== '{"clients":0,"rooms":0,"fatal":[],"grown":0}') throw new Error(`the server has not recovered: ${harm}`)
  }

  /** The process ends by itself. */
  async close(): Promise<void> {
    dropRawClients()
    const exited = once(this.#child, 'exit')
    this.#child.send({ command: 'close' })
    const [code] = (await exited) as [number | null]
    if (code !== 0) throw new Error(`the server ended with ${code}`)
  }
}
