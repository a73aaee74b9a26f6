import { type Attributes, context, type Context, type SpanContext, SpanKind, type Tracer } from '@opentelemetry/api'
import type { WebSocketHub } from '../../hub/hub.ts'
import type { BlazeWsChannels } from '../../observe/channels.ts'
import { contextBelow, isSampled, spanContextOf, traceparentOf } from './trace-context.ts'

type Broadcast = BlazeWsChannels['fastify-blaze-ws:broadcast']
type Publish = BlazeWsChannels['fastify-blaze-ws:publish']

/**
 * The spans of what hubs send, and of what they deliver for other nodes. The first belong to what is going on where they are sent.
 * The others are below them, and are left out if the sender's trace is not recorded.
 */
export class HubSpans {
  readonly #tracer: Tracer
  readonly #names: ReadonlyMap<object, string>

  constructor(tracer: Tracer, hubs: Readonly<Record<string, WebSocketHub>>) {
    this.#tracer = tracer
    this.#names = new Map(Object.entries(hubs).map(([name, hub]) => [hub, name]))
  }

  onBroadcast(message: Broadcast): void {
    this.#trace('broadcast', message, () => ({
      'fastify_blaze_ws.recipients': message.recipients,
      ...(message.to?.length === 1 && { 'messaging.destination.name': message.to[0] })
    }))
  }

  onPublish(message: Publish): void {
    this.#trace('publish', message, () => ({ 'messaging.destination.name': message.room }))
  }

  #trace(operation: string, message: Broadcast | Publish, attributes: () => Attributes): void {
    const hub = this.#names.get(message.hub)
    if (hub === undefined) return
    if (message.isRemote) this.#deliver(hub, message, attributes)
    else this.#send(`${operation} ${hub}`, hub, message, attributes)
  }

  #send(name: string, hub: string, message: Broadcast | Publish, attributes: () => Attributes): void {
    const span = this.#span(name, SpanKind.PRODUCER, context.active(), () => ({
      ...common(hub, message, 'send'),
      ...attributes()
    }))
    // If it is not recorded, the other nodes have nothing to add to it.
    if (isSampled(span)) message.traceparent = traceparentOf(span)
  }

  #deliver(hub: string, message: Broadcast | Publish, attributes: () => Attributes): void {
    if (message.traceparent === undefined) return
    const parent = spanContextOf(message.traceparent)
    if (!isSampled(parent)) return
    this.#span(`deliver ${hub}`, SpanKind.CONSUMER, contextBelow(parent), () => ({
      ...common(hub, message, 'process'),
      ...attributes()
    }))
  }

  /** A span of a moment. */
  #span(name: string, kind: SpanKind, parent: Context, attributes: () => Attributes): SpanContext {
    const span = this.#tracer.startSpan(name, { kind }, parent)
    if (span.isRecording()) span.setAttributes(attributes())
    span.end()
    return span.spanContext()
  }
}

function common(hub: string, { bytes }: Broadcast | Publish, type: 'process' | 'send'): Attributes {
  return {
    'messaging.system': 'fastify-blaze-ws',
    'messaging.operation.type': type,
    'messaging.message.body.size': bytes,
    'fastify_blaze_ws.hub': hub
  }
}
