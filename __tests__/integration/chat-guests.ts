import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect as connectTo } from 'node:net'
import { ensureDist } from '../support/dist.ts'
import { connect, eventually, type TestClient } from '../support/server.ts'
import { freePort } from '../cluster/support/engines.ts'
import { root, type Status, TOKEN } from './chat-server.ts'

export interface Said {
  type: string
  id: string
  text: string
  room: string
  receivers: number
  node: string
  quiet: boolean
  active: boolean
  member: Member
  members: Member[]
  history: Said[]
  rooms: { name: string; members: number }[]
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

const open: Guest[] = []

export function dropGuests(): void {
  for (const guest of open.splice(0)) guest.client.socket.terminate()
}

/** A guest that keeps the list of present people, as a page does. */
export class Guest {
  readonly client: TestClient
  readonly people = new Map<string, string>()
  /** All messages it has received, of any type, in order. */
  readonly heard: Said[] = []

  private constructor(client: TestClient) {
    this.client = client
    client.socket.on('message', (data: Buffer) => this.#take(JSON.parse(data.toString()) as Said))
    open.push(this)
  }

  /** Connects to the balancer or to one node. */
  static async connect(
    cluster: ChatCluster,
    node?: number,
    path = '/ws',
    headers: Record<string, string> = {}
  ): Promise<Guest> {
    return new Guest(await connect(cluster.http(path, node).replace('http', 'ws'), [], { headers }))
  }

  static async join(
    cluster: ChatCluster,
    name: string,
    room: string,
    { node, key = name }: { node?: number; key?: string } = {}
  ): Promise<Guest> {
    const guest = await Guest.connect(cluster, node)
    guest.send({ type: 'join', name, room, key })
    await Promise.race([guest.next('welcome'), guest.#refused()])
    return guest
  }

  send(message: unknown): void {
    this.client.socket.send(JSON.stringify(message))
  }

  say(text: string): void {
    this.send({ type: 'message', text, ref: text })
  }

  /** The first message of a type with these values, already received or not. */
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

  /** Rejects with the server's error instead of waiting forever. */
  async #refused(): Promise<never> {
    const { text } = await this.next('error')
    throw new Error(`refused: ${text}`)
  }

  async #closedEarly(): Promise<never> {
    const { code, reason } = await this.client.close()
    throw new Error(`closed with ${code} ${reason}`)
  }

  #take(said: Said): void {
    this.heard.push(said)
    if (said.type === 'welcome') {
      this.people.clear()
      for (const { id, name } of said.members) this.people.set(id, name)
    }
    if (said.type === 'joined') this.people.set(said.member.id, said.member.name)
    if (said.type === 'left') this.people.delete(said.member.id)
  }
}

function movesAmong(heard: Said[]): string[] {
  return heard
    .filter(({ type }) => type === 'joined' || type === 'left')
    .map(({ type, member }) => `${member.name} ${type}`)
}
