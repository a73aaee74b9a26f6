import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import websocket, { type WebsocketPluginOptions } from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import type { WebSocketServer } from 'ws'
import { invalidOption } from '../internal/errors.ts'
import { entriesOf } from '../internal/validate.ts'
import type { Upgrade } from './upgrade.ts'
import type { UpgradeArguments } from './upgrade-event.ts'

/** The properties under which `@fastify/websocket` keeps the stream of an upgrade on its request, and what came after it. */
interface Marks {
  readonly socket: symbol
  readonly head: symbol
}

type Markable = Record<symbol, unknown>

/**
 * What is to be known of `@fastify/websocket`, which serves `{ websocket: true }` routes and `injectWS`. It takes upgrades from a
 * server's event, marks their requests and routes them. We mark and route them in its place, so that it needs no listener of
 * its own if we register it. If the application has registered it, its listener stays, and is recognised by its marks.
 */
export class WebsocketPlugin {
  /** True if the application registered it before us. */
  readonly isShared: boolean
  /** The server whose upgrades are for this application; undefined if it is one that we do not know. */
  readonly server: Server | undefined
  #marks: Marks | undefined

  /** The `ws` server for `{ websocket: true }` routes, and for upgrades to ordinary ones, which are closed at once. */
  readonly #sockets: WebSocketServer

  private constructor(app: FastifyInstance, isShared: boolean, server: Server | undefined, marks: Marks | undefined) {
    this.#sockets = app.websocketServer
    this.isShared = isShared
    this.server = server
    this.#marks = marks
  }

  /** Registers `@fastify/websocket` if the application has not. `inject` gets the upgrades of `injectWS`. */
  static async register(
    app: FastifyInstance,
    options: WebsocketPluginOptions = {},
    inject: (...args: UpgradeArguments) => void
  ): Promise<WebsocketPlugin> {
    if (app.hasDecorator('websocketServer')) {
      const marks = learnMarks(app, app.server)
      return new WebsocketPlugin(app, true, marks === undefined ? undefined : app.server, marks)
    }
    const { server = app.server, ...wsOptions } = options.options ?? {}
    const standIn = {
      on: () => {},
      removeListener: () => {},
      emit: (_event: string, ...args: UpgradeArguments) => inject(...args)
    }
    await app.register(websocket, { ...options, options: { ...wsOptions, server: standIn as unknown as Server } })
    const marks = learnMarks(app, standIn)
    if (marks === undefined)
      throw new Error('this version of @fastify/websocket does not mark the requests of upgrades as expected')
    return new WebsocketPlugin(app, false, server, marks)
  }

  /** Drops the connections that are still open after `timeout` milliseconds: `ws` waits half a minute for a client's close frame. */
  close(timeout: number): void {
    setTimeout(() => {
      for (const client of this.#sockets.clients ?? []) client.terminate()
    }, timeout).unref()
  }

  /** Does to an upgrade what its listener does. */
  mark({ request, socket, head }: Upgrade): void {
    const marks = this.#marks
    if (marks !== undefined) Object.assign(request, { [marks.socket]: socket, [marks.head]: head })
  }

  /** Takes back what its listener has done to a request. */
  unmark(request: IncomingMessage): void {
    const marks = this.#marks
    if (marks === undefined) return
    delete (request as unknown as Markable)[marks.socket]
    delete (request as unknown as Markable)[marks.head]
  }

  /** True if its listener has just marked a request with this stream. */
  hasMarked(request: IncomingMessage, socket: Duplex): boolean {
    return this.#marks !== undefined && (request as unknown as Markable)[this.#marks.socket] === socket
  }

  /** The arguments of an upgrade that its listener took from a server that we do not know. */
  argumentsOf(request: IncomingMessage, socket: Duplex): UpgradeArguments | undefined {
    this.#marks ??= marksOf(request, socket)
    if (!this.hasMarked(request, socket)) return undefined
    return [request, socket, (request as unknown as Markable)[(this.#marks as Marks).head] as Buffer]
  }
}

/** Checks options for `@fastify/websocket`, which passes over what it does not know and throws where nobody can catch it. */
export function checkWebsocketOptions(value: unknown, name: string): void {
  for (const [key, option] of entriesOf(value, name)) {
    if (key === 'options') checkServerOptions(option, `${name}.options`)
    else if (key !== 'errorHandler' && key !== 'preClose')
      throw invalidOption(`${name}.${key}`, 'is unknown; allowed are options, errorHandler, preClose')
    else if (typeof option !== 'function') throw invalidOption(`${name}.${key}`, 'must be a function', option)
  }
}

function checkServerOptions(value: unknown, name: string): void {
  for (const [key] of entriesOf(value, name)) {
    if (key === 'port' || key === 'noServer')
      throw invalidOption(`${name}.${key}`, "is not allowed: upgrades come from Fastify's server")
  }
}

/** Finds the marks by what they hold: `injectWS` puts them on a request before it emits the event. */
function learnMarks(app: FastifyInstance, target: { emit: unknown }): Marks | undefined {
  const own = Object.getOwnPropertyDescriptor(target, 'emit')
  let marks: Marks | undefined
  const emit = (_event: string, request: IncomingMessage, socket: Duplex): boolean => {
    marks = marksOf(request, socket)
    return true
  }
  Object.defineProperty(target, 'emit', { value: emit, configurable: true, writable: true })
  try {
    // It emits before it first waits, and then waits for ever.
    void app.injectWS('/').catch(() => {})
  } finally {
    if (own === undefined) delete target.emit
    else Object.defineProperty(target, 'emit', own)
  }
  return marks
}

function marksOf(request: IncomingMessage, stream: Duplex): Marks | undefined {
  const held = request as unknown as Markable
  const symbols = Object.getOwnPropertySymbols(held)
  const socket = symbols.find((symbol) => held[symbol] === stream)
  const head = symbols.find((symbol) => Buffer.isBuffer(held[symbol]))
  return socket === undefined || head === undefined ? undefined : { socket, head }
}
