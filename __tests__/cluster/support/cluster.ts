import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import type { ClusterStats, NodeInfo } from '../../../src/index.ts'
import { ensureDist } from '../../support/dist.ts'

export interface NodeOptions {
  engine: 'ioredis' | 'node-redis' | 'nats'
  port: number
  lease?: number
}

export interface NodeReport {
  id: string
  faults: string[]
  events: string[]
  clients: number
  cluster: ClusterStats
}

const running = new Set<ClusterProcess>()

/** A node of a cluster in a process of its own. */
export class ClusterProcess {
  readonly child: ChildProcess
  readonly exited: Promise<unknown[]>
  readonly #answers = new Map<number, (result: unknown) => void>()
  /** The number of its broadcasts to each room, as of its last answer. */
  sent: Record<string, number> = {}
  port = 0
  #lastId = 0
  #faults: string[] = []

  private constructor(options: NodeOptions) {
    this.child = fork(join(__dirname, 'node-child.mjs'), [JSON.stringify(options)])
    this.exited = once(this.child, 'exit')
    running.add(this)
  }

  static async start(options: NodeOptions): Promise<ClusterProcess> {
    ensureDist()
    const node = new ClusterProcess(options)
    const [message] = (await Promise.race([once(node.child, 'message'), node.exited])) as [{ port: number } | number]
    if (typeof message !== 'object') throw new Error(`the node ended with ${message} before it listened`)
    node.port = message.port
    node.child.on(
      'message',
      ({
        id,
        result,
        sent,
        faults = []
      }: {
        id: number
        result: unknown
        sent: Record<string, number>
        faults?: string[]
      }) => {
        node.sent = sent
        node.#faults = faults
        node.#answers.get(id)?.(result)
        node.#answers.delete(id)
      }
    )
    return node
  }

  /** Never settles if the process has ended; `exited` reports that. */
  ask<T = void>(name: string, options: object = {}): Promise<T> {
    const id = ++this.#lastId
    if (this.child.connected) this.child.send({ id, command: name, ...options }, () => {})
    return new Promise((resolve) => this.#answers.set(id, resolve as (result: unknown) => void))
  }

  report(): Promise<NodeReport> {
    return this.ask<NodeReport>('report')
  }

  async others(): Promise<NodeInfo[]> {
    return (await this.ask<{ nodes: NodeInfo[] }>('nodes')).nodes
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  /** Closes the process and gives its exit code. Throws if it had uncaught errors. */
  async close(): Promise<unknown> {
    running.delete(this)
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode
    this.child.send({ id: 0, command: 'close' })
    const [code] = await this.exited
    if (this.#faults.length > 0) throw new Error(this.#faults.join('\n'))
    return code
  }
}

/** Ends all remaining processes; call it in `afterEach`. */
export async function endClusters(): Promise<void> {
  await Promise.all(
    [...running].map(async (node) => {
      running.delete(node)
      if (node.child.exitCode !== null || node.child.signalCode !== null) return
      node.signal('SIGKILL')
      await node.exited
    })
  )
}

/** A message of the traffic. */
export interface Heard {
  room: string
  from: string
  number: number
}

/** A client that keeps the numbers of the messages it receives. */
export class Member {
  readonly socket: WebSocket
  readonly heard: Heard[] = []
  readonly rooms = new Set<string>()
  readonly #answers = new Map<string, () => void>()

  private constructor(url: string) {
    this.socket = new WebSocket(url, { perMessageDeflate: false })
    this.socket.on('error', () => {})
    this.socket.on('message', (data: Buffer) => {
      const text = data.toString('latin1')
      const [room = '', from, number] = text.split(' ')
      if (from !== undefined) this.heard.push({ room, from, number: Number(number) })
      else this.#answers.get(text)?.()
    })
  }

  static async connect(node: { port: number }, name = ''): Promise<Member> {
    const member = new Member(`ws://127.0.0.1:${node.port}/?name=${name}`)
    const hello = new Promise<void>((resolve) => member.#answers.set('hello', resolve))
    await Promise.race([hello, once(member.socket, 'close').then(() => Promise.reject(new Error('refused')))])
    return member
  }

  async join(room: string): Promise<void> {
    await this.#ask(`+${room}`)
    this.rooms.add(room)
  }

  async leave(room: string): Promise<void> {
    this.rooms.delete(room)
    await this.#ask(`-${room}`)
  }

  #ask(text: string): Promise<void> {
    this.socket.send(text)
    return new Promise((resolve) => this.#answers.set(text, resolve))
  }
}
