import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect as connectTo } from 'node:net'
import { ensureDist } from '../support/dist.ts'
import { eventually } from '../support/server.ts'
import { freePort } from '../cluster/support/engines.ts'
import { ChatClient, type Frame } from './chat-client.ts'
import { root, type Status, TOKEN } from './chat-server.ts'

/** The name of an event, and its data. */
export interface Said {
  type: string
  text: string
  room: string
  quiet: boolean
  active: boolean
  member: Member
  rooms: { name: string; members: number }[]
}

/** The answer to a join. */
interface Welcome {
  node: string
  members: Member[]
}

interface Member {
  id: string
  name: string
}

/** `example-app/cluster.js` as a process. */
export class ChatCluster {
  readonly port: number
  readonly child: ChildProcess
  readonly exited: Promise<unknown[]>
  output = ''

  private constructor(port: number, environment: Record<string, string>) {
    this.port = port
    const { PATH = '' } = process.env
    this.child = spawn(process.execPath, ['example-app/cluster.js'], {
      cwd: root,
      env: { PATH, PORT: String(port), CHAT_TOKEN: TOKEN, ...environment },
      stdio: ['ignore', 'pipe', 'pipe']
    })
    this.exited = once(this.child, 'exit')
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on('data', (chunk) => (this.output += String(chunk)))
  }

  static async spawn(environment: Record<string, string>): Promise<ChatCluster> {
    ensureDist()
    return new ChatCluster(await freePort(), environment)
  }

  static async start(environment: Record<string, string>): Promise<ChatCluster> {
    const cluster = await ChatCluster.spawn(environment)
    await eventually(() => {
      if (cluster.child.exitCode !== null) throw new Error(`the cluster has ended: ${cluster.output}`)
      return cluster.output.includes('Between them')
    }, 'the start of the cluster')
    return cluster
  }

  /** The nodes as they are now: a later output line replaces an earlier one. */
  get nodes(): { url: string; pid: number }[] {
    const found = new Map<string, { url: string; pid: number }>()
    for (const [, name = '', url = '', pid] of this.output.matchAll(/^(Node \d): (\S+) {2}\(pid (\d+)\)/gm))
      found.set(name, { url, pid: Number(pid) })
    return [...found.values()]
  }

  /** A URL through the balancer, or of one node. */
  http(path: string, node?: number): string {
    return `${node === undefined ? `http://127.0.0.1:${this.port}` : this.nodes[node]!.url}${path}`
  }

  async status(node?: number): Promise<Status> {
    return (await (await fetch(this.http('/status.json', node))).json()) as Status
  }

  post(path: string, body: unknown, headers: Record<string, string> = {}, node?: number): Promise<Response> {
    return fetch(this.http(path, node), {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...headers }
    })
  }

  /** Ends it as Ctrl+C does; returns its exit code. */
  async close(): Promise<unknown> {
    this.child.kill('SIGINT')
    return (await this.exited)[0]
  }
}

/** True if a server listens on this port. */
export function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTo(port, '127.0.0.1')
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}

/** Where a guest connects, and as whom. Without a node, through the balancer. */
interface Route {
  node?: number
  /** The secret by which the chat knows a tab again. */
  key?: string
  path?: string
  headers?: Record<string, string>
}

const open: Guest[] = []

export function dropGuests(): void {
  for (const guest of open.splice(0)) guest.client.socket.terminate()
}

/** A guest that keeps the list of present people, as a page does. */
export class Guest {
  readonly client: ChatClient
  readonly people = new Map<string, string>()
  /** All events it has received, in order. */
  readonly heard: Said[] = []
  /** The answer to its join. */
  welcome: Welcome | undefined
  /** What has come since it has asked to join, until the answer, which may be older. */
  #early: Said[] | undefined

  private constructor(client: ChatClient) {
    this.client = client
    client.socket.on('message', (data: Buffer) => {
      const { method, params, result } = JSON.parse(data.toString()) as Frame
      if (method !== undefined) this.#take({ ...(params as Said), type: method })
      if (isWelcome(result)) this.#enter(result)
    })
    open.push(this)
  }

  /** Connects to the balancer or to one node. */
  static async connect(
    cluster: ChatCluster,
    { node, key = 'a key', path = '/ws', headers }: Route = {}
  ): Promise<Guest> {
    const url = cluster.http(path, node).replace('http', 'ws')
    return new Guest(await ChatClient.connect(url, key, { headers }))
  }

  static async join(
    cluster: ChatCluster,
    name: string,
    room: string,
    { key = name, ...route }: Route = {}
  ): Promise<Guest> {
    const guest = await Guest.connect(cluster, { key, ...route })
    await guest.join(name, room)
    return guest
  }

  /** Rejects if the server refuses. */
  async join(name: string, room: string): Promise<void> {
    this.#early = []
    await this.client.call('join', { name, room }).finally(() => this.#takeEarly())
  }

  say(text: string): Promise<unknown> {
    return this.client.call('say', { text })
  }

  /** The first event with this name and these values, already received or not. */
  async next(type: string, values: Partial<Said> = {}): Promise<Said> {
    const isIt = (said: Said): boolean =>
      said.type === type && Object.entries(values).every(([key, value]) => said[key as keyof Said] === value)
    await Promise.race([this.client.until(() => this.heard.some(isIt)), this.#closedEarly()])
    return this.heard.find(isIt)!
  }

  /** The joins and leaves it has received, apart from its people list. */
  get moves(): string[] {
    return movesAmong(this.heard)
  }

  /** The same for one room: an operator receives the moves of all rooms. */
  movesIn(room: string): string[] {
    return movesAmong(this.heard.filter((said) => said.room === room))
  }

  async #closedEarly(): Promise<never> {
    const { code, reason } = await this.client.close()
    throw new Error(`closed with ${code} ${reason}`)
  }

  /** At once, because the next event may change the list. */
  #enter(welcome: Welcome): void {
    this.welcome = welcome
    this.people.clear()
    for (const { id, name } of welcome.members) this.people.set(id, name)
    this.#takeEarly()
  }

  #takeEarly(): void {
    const early = this.#early ?? []
    this.#early = undefined
    for (const said of early) this.#change(said)
  }

  #take(said: Said): void {
    this.heard.push(said)
    if (this.#early === undefined) this.#change(said)
    else this.#early.push(said)
  }

  #change(said: Said): void {
    if (said.type === 'joined') this.people.set(said.member.id, said.member.name)
    if (said.type === 'left') this.people.delete(said.member.id)
  }
}

function isWelcome(result: unknown): result is Welcome {
  return result !== null && typeof result === 'object' && 'members' in result
}

function movesAmong(heard: Said[]): string[] {
  return heard
    .filter(({ type }) => type === 'joined' || type === 'left')
    .map(({ type, member }) => `${member.name} ${type}`)
}
