import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import websocket, { type WebsocketPluginOptions } from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import type { WebSocketServer } from 'ws'
import { invalidOption } from '../internal/errors.ts'
import { callback, type Checks, entriesOf, validateOptions } from '../internal/validate.ts'
import type { Upgrade } from './upgrade.ts'
import type { UpgradeArguments } from './upgrade-event.ts'

/** `@fastify/websocket` stores the stream and the head of an upgrade on its request, under these symbols. */
interface Marks {
  readonly stream: symbol
  readonly head: symbol
}

type WithMarks = Record<symbol, unknown>

/**
 * All that this package knows about `@fastify/websocket`, which serves `{ websocket: true }` routes and `injectWS`.
 * `@fastify/websocket` listens to a server's `upgrade` event, marks each request and routes it. The dispatcher does both in its
 * place, so it gets no listener on the server if we register it. If the application has registered it, its listener stays, and
 * the dispatcher recognizes it by its marks.
 */
export class WebsocketPlugin {
  /** True if the application registered `@fastify/websocket` before this plugin. */
  readonly isRegisteredByApp: boolean
  /** The server whose upgrades are for this application; undefined if `@fastify/websocket` listens to an unknown server. */
  readonly server: Server | undefined
  #marks: Marks | undefined

  /** The `ws` server of `{ websocket: true }` routes. It also closes upgrades to ordinary routes. */
  readonly #wsServer: WebSocketServer

  private constructor(
    app: FastifyInstance,
    isRegisteredByApp: boolean,
    server: Server | undefined,
    marks: Marks | undefined
  ) {
    this.#wsServer = app.websocketServer
    this.isRegisteredByApp = isRegisteredByApp
    this.server = server
    this.#marks = marks
  }

  /** Registers `@fastify/websocket` if the application has not. Upgrades of `injectWS` are passed to `inject`. */
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
    const emptyServer = {
      on: () => {},
      removeListener: () => {},
      emit: (_event: string, ...args: UpgradeArguments) => inject(...args)
    }
    await app.register(websocket, { ...options, options: { ...wsOptions, server: emptyServer as unknown as Server } })
    const marks = learnMarks(app, emptyServer)
    if (marks === undefined)
      throw new Error(
        'this version of @fastify/websocket is not supported: it does not mark upgrade requests as expected'
      )
    return new WebsocketPlugin(app, false, server, marks)
  }

  /** Terminates the connections that are still open after `timeout` milliseconds. `ws` would wait 30 s for a client's close frame. */
  close(timeout: number): void {
    setTimeout(() => {
      for (const client of this.#wsServer.clients ?? []) client.terminate()
    }, timeout).unref()
  }

  /** Marks the request of an upgrade as the listener of `@fastify/websocket` does. */
  mark({ request, stream, head }: Upgrade): void {
    const marks = this.#marks
    if (marks === undefined) return
    const marked = request as unknown as WithMarks
    marked[marks.stream] = stream
    marked[marks.head] = head
  }

  /** Removes the marks from a request. */
  unmark(request: IncomingMessage): void {
    const marks = this.#marks
    if (marks === undefined) return
    delete (request as unknown as WithMarks)[marks.stream]
    delete (request as unknown as WithMarks)[marks.head]
  }

  /** True if the request is marked with this stream. */
  hasMarked(request: IncomingMessage, stream: Duplex): boolean {
    return this.#marks !== undefined && (request as unknown as WithMarks)[this.#marks.stream] === stream
  }

  /** The arguments of the `upgrade` event, read from the marks of a request from an unknown server. */
  argumentsOf(request: IncomingMessage, stream: Duplex): UpgradeArguments | undefined {
    this.#marks ??= marksOf(request, stream)
    if (!this.hasMarked(request, stream)) return undefined
    return [request, stream, (request as unknown as WithMarks)[(this.#marks as Marks).head] as Buffer]
  }
}

type ServerOptions = NonNullable<WebsocketPluginOptions['options']>

const CHECKS: Checks<WebsocketPluginOptions> = {
  options: checkServerOptions,
  errorHandler: callback,
  preClose: callback
}

/**
 * Checks options for `@fastify/websocket`. It ignores unknown options itself, and for wrong values it throws an error that the
 * application cannot catch.
 */
export function checkWebsocketOptions(value: unknown, name: string): WebsocketPluginOptions {
  return validateOptions(value, name, CHECKS, {})
}

function checkServerOptions(value: unknown, name: string): ServerOptions {
  for (const [key] of entriesOf(value, name)) {
    if (key === 'port' || key === 'noServer')
      throw invalidOption(`${name}.${key}`, "is not allowed: upgrades come from Fastify's server")
  }
  return value as ServerOptions
}

/** Finds the symbols by their values: `injectWS` puts them on a request before it emits the event. */
function learnMarks(app: FastifyInstance, target: { emit: unknown }): Marks | undefined {
  const own = Object.getOwnPropertyDescriptor(target, 'emit')
  let marks: Marks | undefined
  const emit = (_event: string, request: IncomingMessage, stream: Duplex): boolean => {
    marks = marksOf(request, stream)
    return true
  }
  Object.defineProperty(target, 'emit', { value: emit, configurable: true, writable: true })
  try {
    // It emits the event before it first awaits, and then never settles.
    void app.injectWS('/').catch(() => {})
  } finally {
    if (own === undefined) delete target.emit
    else Object.defineProperty(target, 'emit', own)
  }
  return marks
}

function marksOf(request: IncomingMessage, stream: Duplex): Marks | undefined {
  const marked = request as unknown as WithMarks
  const symbols = Object.getOwnPropertySymbols(marked)
  const streamSymbol = symbols.find((symbol) => marked[symbol] === stream)
  const headSymbol = symbols.find((symbol) => Buffer.isBuffer(marked[symbol]))
  return streamSymbol === undefined || headSymbol === undefined ? undefined : { stream: streamSymbol, head: headSymbol }
}
