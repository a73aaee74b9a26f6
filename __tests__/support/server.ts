import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { WebSocket, type ClientOptions } from 'ws'
import { dropRawClients } from './raw-client.ts'
import blazeWs, { type BlazeWsOptions } from '../../src/index.ts'

/** A log line as pino writes it. */
export interface LogLine {
  level: number
  msg: string
  [key: string]: unknown
}

export interface TestServer {
  app: FastifyInstance
  port: number
  /** ws:// address of a path. */
  ws(path: string): string
  /** http:// address of a path. */
  http(path: string): string
  /** The lines logged so far. */
  logs: LogLine[]
}

const open: FastifyInstance[] = []

export interface TestServerOptions extends BlazeWsOptions {
  fastify?: FastifyServerOptions
  /** Registers things on the application before the plugin. */
  before?: (app: FastifyInstance) => unknown
  /** The address to listen on. */
  host?: string
  /** The port to listen on, for a server that comes back. @default a free one */
  port?: number
}

/** Starts a real server on a free loopback port; `closeServers` closes it. */
export async function startServer(
  setUp: (app: FastifyInstance) => void | Promise<void>,
  { fastify, before, host = '127.0.0.1', port: wanted = 0, ...options }: TestServerOptions = {}
): Promise<TestServer> {
  const logs: LogLine[] = []
  const stream = { write: (line: string) => void logs.push(JSON.parse(line) as LogLine) }
  const app = Fastify({ logger: { level: 'debug', stream }, ...fastify }) as unknown as FastifyInstance
  open.push(app)
  await before?.(app)
  await app.register(blazeWs, options)
  await setUp(app)
  await app.listen({ port: wanted, host })
  const { port } = app.server.address() as AddressInfo
  return {
    app,
    port,
    ws: (path) => `ws://127.0.0.1:${port}${path}`,
    http: (path) => `http://127.0.0.1:${port}${path}`,
    logs
  }
}

/** Closes the servers that `startServer` started: call it in `afterEach`. */
export async function closeServers(): Promise<void> {
  dropRawClients()
  await Promise.all(open.splice(0).map((app) => app.close()))
}

/** A message as received by a client. */
export interface Received {
  data: string
  isBinary: boolean
}

/** A `ws` client that keeps the messages it gets. */
export class TestClient {
  readonly socket: WebSocket
  readonly messages: Received[] = []
  readonly #waiting: (() => void)[] = []
  closed: { code: number; reason: string } | undefined

  constructor(url: string, protocols: string[] = [], options: ClientOptions = {}) {
    this.socket = new WebSocket(url, protocols, options)
    this.socket.on('message', (data: Buffer, isBinary: boolean) => {
      this.messages.push({ data: isBinary ? data.toString('latin1') : data.toString(), isBinary })
      this.#wake()
    })
    this.socket.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() }
      this.#wake()
    })
    this.socket.on('error', () => {})
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  /** Waits until a condition about this client holds; checks after each of its events. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** The text of the next message that was not taken yet; throws if the connection closes first. */
  async next(): Promise<string> {
    await this.until(() => this.messages.length > 0 || this.closed !== undefined)
    const message = this.messages.shift()
    if (message === undefined) throw new Error(`closed with ${this.closed?.code} before a message came`)
    return message.data
  }

  /** How the connection was closed. */
  async close(): Promise<{ code: number; reason: string }> {
    await this.until(() => this.closed !== undefined)
    return this.closed as { code: number; reason: string }
  }
}

/** Connects a client; rejects with the server's HTTP answer if it refuses. */
export async function connect(url: string, protocols?: string[], options?: ClientOptions): Promise<TestClient> {
  const client = new TestClient(url, protocols, options)
  await new Promise<void>((resolve, reject) => {
    client.socket.once('open', resolve)
    client.socket.once('error', reject)
  })
  return client
}

/** Polls until a condition holds, for conditions without an event. Fails after ten seconds. */
export async function eventually(condition: () => boolean | Promise<boolean>, what = 'the condition'): Promise<void> {
  const end = Date.now() + 10_000
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`${what} did not come true within 10 s`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
