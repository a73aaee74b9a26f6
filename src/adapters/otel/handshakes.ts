import type { IncomingMessage } from 'node:http'
import { context, type Link, propagation, type Span, SpanKind, SpanStatusCode, type Tracer } from '@opentelemetry/api'
import type { WebSocketConnection } from '../../connection/connection.ts'
import type { BlazeWsChannels } from '../../observe/channels.ts'
import { isSampled } from './trace-context.ts'

const NO_LINKS: Link[] = []

/** The spans of handshakes. They end with the handshake, and what happens on the connection later links to them. */
export class Handshakes {
  readonly #tracer: Tracer
  /** When the hooks of an upgrade began, in milliseconds since 1970. Only requests of one server are here. */
  readonly #startedAt = new WeakMap<IncomingMessage, number>()
  readonly #links = new WeakMap<WebSocketConnection, Link[]>()

  constructor(tracer: Tracer) {
    this.#tracer = tracer
  }

  /** The links of all spans of a connection: none if its handshake was not sampled; undefined if it belongs to another server. */
  linksOf(ws: WebSocketConnection): Link[] | undefined {
    return this.#links.get(ws)
  }

  onRequest(request: IncomingMessage): void {
    if (request.headers.upgrade !== undefined) this.#startedAt.set(request, Date.now())
  }

  onOpen({ ws, request, route }: BlazeWsChannels['fastify-blaze-ws:connection.open']): void {
    const span = this.#start(request.raw, route, 101)
    if (span === undefined) return
    if (span.isRecording()) span.setAttribute('fastify_blaze_ws.connection.id', ws.id)
    span.end()
    const linked = span.spanContext()
    this.#links.set(ws, isSampled(linked) ? [{ context: linked }] : NO_LINKS)
  }

  onRefused({ request, route, status }: BlazeWsChannels['fastify-blaze-ws:connection.refused']): void {
    const span = this.#start(request, route, status)
    if (span?.isRecording() === true && status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
    span?.end()
  }

  #start(request: IncomingMessage, route: string, status: number): Span | undefined {
    const startTime = this.#startedAt.get(request)
    if (startTime === undefined) return undefined
    const parent = propagation.extract(context.active(), request.headers)
    const span = this.#tracer.startSpan(`GET ${route}`.trimEnd(), { kind: SpanKind.SERVER, startTime }, parent)
    if (span.isRecording())
      span.setAttributes({
        'http.request.method': 'GET',
        'http.response.status_code': status,
        'network.protocol.name': 'websocket',
        ...(route !== '' && { 'http.route': route })
      })
    return span
  }
}
