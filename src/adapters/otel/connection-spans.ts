import {
  type Attributes,
  context,
  type Link,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer
} from '@opentelemetry/api'
import { TextMessage } from '../../internal/message.ts'
import type { WebSocketConnection } from '../../connection/connection.ts'
import type { BlazeWsChannels } from '../../observe/channels.ts'
import type { Handshakes } from './handshakes.ts'
import { contextOf } from './trace-context.ts'

/** The spans of messages, events and calls. Each begins a trace, or continues that of the client, and links to the handshake. */
export class ConnectionSpans {
  readonly #tracer: Tracer
  readonly #handshakes: Handshakes
  readonly #onlyLinked: boolean

  /** @param onlyLinked leaves out messages that have neither a handshake to link to nor a trace, without asking the sampler. */
  constructor(tracer: Tracer, handshakes: Handshakes, onlyLinked: boolean) {
    this.#tracer = tracer
    this.#handshakes = handshakes
    this.#onlyLinked = onlyLinked
  }

  onMessage({ ws, route, type, bytes }: BlazeWsChannels['fastify-blaze-ws:message.in']): void {
    // The messages of contracts are calls and events.
    if (ws.session.contract !== undefined) return
    const links = this.#linksOf(ws, undefined)
    if (links === undefined) return
    this.#receive(`receive ${route}`, links, undefined, () => ({
      'http.route': route,
      'messaging.message.body.size': bytes,
      'fastify_blaze_ws.message.type': type === TextMessage ? 'text' : 'binary'
    }))
  }

  onEvent({ ws, route, event, traceparent }: BlazeWsChannels['fastify-blaze-ws:event']): void {
    const links = this.#linksOf(ws, traceparent)
    if (links === undefined) return
    this.#receive(`receive ${event}`, links, traceparent, () => ({
      'http.route': route,
      'fastify_blaze_ws.event': event
    }))
  }

  /** The function of the call runs in the context of its span, so that what it does is below it. */
  onCall(message: BlazeWsChannels['fastify-blaze-ws:call']): void {
    const { ws, route, method, traceparent, run, done } = message
    const links = this.#handshakes.linksOf(ws)
    if (links === undefined) return
    const parent = contextOf(traceparent)
    const span = this.#tracer.startSpan(method, { kind: SpanKind.SERVER, links }, parent)
    const within = trace.setSpan(parent, span)
    message.run = (handler) => context.with(within, () => run(handler))
    if (!span.isRecording()) return
    span.setAttributes({ 'rpc.system': 'jsonrpc', 'rpc.method': method, 'http.route': route })
    void done.then(({ code }) => endCall(span, code))
  }

  /** The links of a message; undefined if it gets no span. */
  #linksOf(ws: WebSocketConnection, traceparent: string | undefined): Link[] | undefined {
    const links = this.#handshakes.linksOf(ws)
    return this.#onlyLinked && links?.length === 0 && traceparent === undefined ? undefined : links
  }

  /** A span of a moment: what the handler does with a message is not known. */
  #receive(name: string, links: Link[], traceparent: string | undefined, attributes: () => Attributes): void {
    const span = this.#tracer.startSpan(name, { kind: SpanKind.CONSUMER, links }, contextOf(traceparent))
    if (!span.isRecording()) return
    span.setAttributes({ 'messaging.system': 'websocket', 'messaging.operation.type': 'receive', ...attributes() })
    span.end()
  }
}

function endCall(span: Span, code: number | undefined): void {
  if (code !== undefined) {
    span.setAttributes({ 'rpc.jsonrpc.error_code': code, 'error.type': String(code) })
    span.setStatus({ code: SpanStatusCode.ERROR })
  }
  span.end()
}
