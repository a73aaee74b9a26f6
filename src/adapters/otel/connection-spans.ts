import { context, type Span, SpanKind, SpanStatusCode, trace, type Tracer } from '@opentelemetry/api'
import { TextMessage } from '../../internal/message.ts'
import type { BlazeWsChannels } from '../../observe/channels.ts'
import type { Handshakes } from './handshakes.ts'
import { contextBelow, spanContextOf } from './trace-context.ts'

/** The spans of messages and calls. Each begins a trace, or continues that of the client, and links to the handshake. */
export class ConnectionSpans {
  readonly #tracer: Tracer
  readonly #handshakes: Handshakes

  constructor(tracer: Tracer, handshakes: Handshakes) {
    this.#tracer = tracer
    this.#handshakes = handshakes
  }

  /** @param onlyLinked leaves out what has no handshake to link to, without asking the sampler. */
  onMessage({ ws, route, type, bytes }: BlazeWsChannels['fastify-blaze-ws:message.in'], onlyLinked: boolean): void {
    const links = this.#handshakes.linksOf(ws)
    if (links === undefined || (onlyLinked && links.length === 0)) return
    // The messages of contracts are calls, with spans of their own, and events.
    if (ws.session.contract !== undefined) return
    const span = this.#tracer.startSpan(`receive ${route}`, { kind: SpanKind.CONSUMER, links }, contextBelow(undefined))
    if (!span.isRecording()) return
    span.setAttributes({
      'http.route': route,
      'messaging.system': 'websocket',
      'messaging.operation.type': 'receive',
      'messaging.message.body.size': bytes,
      'fastify_blaze_ws.message.type': type === TextMessage ? 'text' : 'binary'
    })
    span.end()
  }

  /** The function of the call runs in the context of its span, so that what it does is below it. */
  onCall(message: BlazeWsChannels['fastify-blaze-ws:call']): void {
    const { ws, route, method, traceparent, run, done } = message
    const links = this.#handshakes.linksOf(ws)
    if (links === undefined) return
    const parent = contextBelow(traceparent === undefined ? undefined : spanContextOf(traceparent))
    const span = this.#tracer.startSpan(method, { kind: SpanKind.SERVER, links }, parent)
    const within = trace.setSpan(parent, span)
    message.run = (handler) => context.with(within, () => run(handler))
    if (!span.isRecording()) return
    span.setAttributes({ 'rpc.system': 'jsonrpc', 'rpc.method': method, 'http.route': route })
    void done.then(({ code }) => endCall(span, code))
  }
}

function endCall(span: Span, code: number | undefined): void {
  if (code !== undefined) {
    span.setAttributes({ 'rpc.jsonrpc.error_code': code, 'error.type': String(code) })
    span.setStatus({ code: SpanStatusCode.ERROR })
  }
  span.end()
}
