import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { freePort } from '../cluster/support/engines.ts'
import { ensureDist } from '../support/dist.ts'
import { eventually } from '../support/server.ts'
import { ChatClient } from './chat-client.ts'

export const root = join(__dirname, '../..')
export const TOKEN = 'the token of this test'
export const authorization = { authorization: `Bearer ${TOKEN}` }

export interface Status {
  people: number
  rooms: number
  nodes: number
  missing: number
  isDegraded: boolean
  roomList: { name: string; members: number }[]
  node: { name?: string; people: number }
}

interface ConnectOptions {
  /** The secret by which the chat knows a tab again. */
  key?: string
  headers?: Record<string, string>
}

/** `example-app/server.js` as a process, on a port that stays the same through restarts. */
export class ChatServer {
  readonly port: number
  readonly #clients: ChatClient[] = []
  readonly #args: readonly string[]
  #child: ChildProcess | undefined
  /** What the process has written to its terminal. */
  output = ''

  private constructor(port: number, args: readonly string[]) {
    this.port = port
    this.#args = args
  }

  static async start(environment?: Record<string, string>, args: readonly string[] = []): Promise<ChatServer> {
    ensureDist()
    const server = new ChatServer(await freePort(), args)
    await server.start(environment)
    return server
  }

  async start(environment: Record<string, string> = {}): Promise<void> {
    const child = spawn(process.execPath, ['example-app/server.js', ...this.#args], {
      cwd: root,
      env: { ...process.env, PORT: String(this.port), HOST: '127.0.0.1', CHAT_TOKEN: TOKEN, ...environment },
      stdio: ['ignore', 'pipe', 'inherit']
    })
    this.#child = child
    this.output = ''
    child.stdout.on('data', (chunk) => (this.output += String(chunk)))
    await eventually(() => {
      if (child.exitCode !== null) throw new Error(`the chat ended with ${child.exitCode}`)
      return this.output.includes(this.http(''))
    }, 'the start of the chat')
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null) return
    const exit = once(child, 'exit')
    child.kill(signal)
    const [code] = (await exit) as [number | null]
    if (signal === 'SIGTERM' && code !== 0) throw new Error(`the chat ended with ${code}`)
  }

  async restart(environment?: Record<string, string>): Promise<void> {
    await this.stop()
    await this.start(environment)
  }

  /** `SIGSTOP` pauses it until `SIGCONT`. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }

  http(path: string): string {
    return `http://127.0.0.1:${this.port}${path}`
  }

  ws(path: string): string {
    return `ws://127.0.0.1:${this.port}${path}`
  }

  async status(): Promise<Status> {
    return (await (await fetch(this.http('/status.json'))).json()) as Status
  }

  post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(this.http(path), {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...headers }
    })
  }

  async connect(path: string, { key = 'a key', headers = {} }: ConnectOptions = {}): Promise<ChatClient> {
    const client = await ChatClient.connect(this.ws(path), key, { headers })
    this.#clients.push(client)
    return client
  }

  async guest(name: string, room: string, key = name): Promise<ChatClient> {
    const client = await this.connect('/ws', { key })
    await client.call('join', { name, room })
    return client
  }

  dropClients(): void {
    for (const client of this.#clients.splice(0)) client.socket.terminate()
  }
}
