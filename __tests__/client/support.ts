import { once } from 'node:events'
import { type AddressInfo, connect as connectTcp, createServer, type Server, type Socket } from 'node:net'
import { WebSocket, WebSocketServer } from 'ws'
import { z } from 'zod'
import { type AnyContract, type Client, type ClientState, connect, type ConnectOptions } from '../../src/client.ts'
import { defineContract } from '../../src/contract.ts'

export const chat = defineContract({
  name: 'chat',
  fromClient: { say: z.object({ text: z.string() }), leave: null },
  fromServer: { said: z.object({ text: z.string() }), bye: null },
  calls: {
    rename: { input: z.object({ name: z.string() }), output: z.object({ name: z.string() }), errors: ['taken'] },
    wait: {},
    ask: { output: z.object({ answer: z.string() }) },
    fail: {}
  },
  asks: { confirm: { input: z.object({ id: z.number() }), output: z.object({ ok: z.boolean() }), errors: ['busy'] } }
})
export type Chat = typeof chat

const ends: (() => unknown)[] = []

/** Runs at the end of the test. */
export function atEnd(end: () => unknown): void {
  ends.push(end)
}

/** Closes what the tests have made: call it in `afterEach`. */
export async function closeAll(): Promise<void> {
  for (const end of ends.splice(0).toReversed()) await end()
}

/** A client with the `WebSocket` of `ws` and short waits. */
export function open<C extends AnyContract = Chat>(
  url: ConnectOptions['url'],
  options: Omit<ConnectOptions, 'url'> = {}
): Client<C> {
  const client = connect<C>({ url, WebSocket, reconnect: { min: 10, max: 50 }, ...options })
  atEnd(() => client.close())
  return client
}

/** The messages of errors that a page would report as uncaught ones. */
export function reportsOf(): string[] {
  const reports: string[] = []
  const page = globalThis as { reportError?: (error: Error) => void }
  page.reportError = ({ message }) => void reports.push(message)
  atEnd(() => delete page.reportError)
  return reports
}

/** Resolves when a client enters a state. */
export function enters<C extends AnyContract>(client: Client<C>, state: ClientState): Promise<void> {
  return new Promise((resolve) => {
    const listener = (now: ClientState): void => {
      if (now !== state) return
      client.off('state', listener)
      resolve()
    }
    client.on('state', listener)
  })
}

/** The states that a client enters from now on. */
export function statesOf<C extends AnyContract>(client: Client<C>): ClientState[] {
  const states: ClientState[] = []
  client.on('state', (state: ClientState) => states.push(state))
  return states
}

/** The next event of a client. */
export function next<C extends AnyContract>(client: Client<C>, event: string): Promise<unknown> {
  return new Promise((resolve) => {
    const listener = (data: unknown): void => {
      client.off(event as never, listener)
      resolve(data)
    }
    client.on(event as never, listener)
  })
}

/** One connection of a client to a scripted server. */
export interface Scripted {
  readonly socket: WebSocket
  /** The parameters of the hello. */
  readonly hello: Record<string, unknown>
  /** Sends a notification. */
  notify(method: string, params?: unknown, more?: object): void
  /** Sends a published message of `said`. */
  publish(room: string, offset: number): void
}

export interface ScriptedServer {
  readonly url: string
  readonly server: WebSocketServer
  /** All frames that clients have sent. */
  readonly frames: { id?: unknown; method?: string; params?: unknown }[]
}

/** A server that does what a script says, on each connection after its hello. */
export async function scripted(
  onHello: (connection: Scripted, count: number) => unknown,
  { heartbeat = 0, isSilent = false }: { heartbeat?: number; isSilent?: boolean } = {}
): Promise<ScriptedServer> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  const frames: ScriptedServer['frames'] = []
  let count = 0
  server.on('connection', (socket) => {
    socket.on('error', () => {})
    socket.on('message', (data: Buffer) => {
      const frame = JSON.parse(data.toString()) as { id: unknown; method: string; params: Record<string, unknown> }
      frames.push(frame)
      if (frame.method !== 'rpc.hello' || isSilent) return
      const send = (value: object): void => socket.send(JSON.stringify({ jsonrpc: '2.0', ...value }))
      send({ id: frame.id, result: { connection: 'x', heartbeat } })
      const notify = (method: string, params?: unknown, more: object = {}): void => send({ method, params, ...more })
      onHello(
        {
          socket,
          hello: frame.params,
          notify,
          publish: (room, offset) => notify('said', { text: String(offset) }, { room, offset })
        },
        ++count
      )
    })
  })
  await once(server, 'listening')
  atEnd(() => {
    for (const socket of server.clients) socket.terminate()
    server.close()
  })
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`, server, frames }
}

/** A TCP proxy in front of a server, for faults of the network. */
export class Network {
  readonly #server: Server
  readonly #pairs = new Set<[client: Socket, server: Socket]>()
  /** How many connections came. */
  count = 0
  /** Answers new connections with this HTTP status. */
  refuseWith: number | undefined
  /** Cuts the next connection after this many bytes of the server. */
  cutAfter = Infinity

  constructor(target: number) {
    this.#server = createServer((client) => this.#accept(client, target))
  }

  static async start(target: number): Promise<Network> {
    const network = new Network(target)
    network.#server.listen(0, '127.0.0.1')
    await once(network.#server, 'listening')
    atEnd(() => {
      network.cut()
      network.#server.close()
    })
    return network
  }

  url(path: string): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}${path}`
  }

  get open(): number {
    return this.#pairs.size
  }

  cut(): void {
    for (const socket of [...this.#pairs].flat()) socket.resetAndDestroy()
  }

  /** Nothing goes through the connections that are open, and nobody is told. */
  freeze(): void {
    for (const socket of [...this.#pairs].flat()) socket.unpipe().removeAllListeners('data').pause()
  }

  #accept(client: Socket, target: number): void {
    this.count++
    client.on('error', () => {})
    if (this.refuseWith !== undefined) {
      client.end(`HTTP/1.1 ${this.refuseWith} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`)
      return
    }
    const server = connectTcp(target, '127.0.0.1')
    const pair: [Socket, Socket] = [client, server]
    this.#pairs.add(pair)
    server.on('error', () => {})
    for (const socket of pair) socket.on('close', () => this.#pairs.delete(pair))
    client.on('close', () => server.destroy())
    server.on('close', () => client.destroy())
    client.pipe(server)
    if (this.cutAfter === Infinity) server.pipe(client)
    else this.#forwardSome(server, client)
  }

  #forwardSome(server: Socket, client: Socket): void {
    let left = this.cutAfter
    this.cutAfter = Infinity
    server.on('data', (chunk) => {
      const part = chunk.subarray(0, left)
      left -= part.length
      client.write(part, () => {
        if (left === 0) client.resetAndDestroy()
      })
    })
  }
}
