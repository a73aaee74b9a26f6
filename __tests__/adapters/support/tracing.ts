import { context, type HrTime, propagation, type SpanContext, trace } from '@opentelemetry/api'
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  type Sampler,
  SimpleSpanProcessor
} from '@opentelemetry/sdk-trace-node'
import { eventually } from '../../support/server.ts'

/** What an application sets up of OpenTelemetry. The spans are kept in memory. */
export class Tracing {
  readonly #exporter = new InMemorySpanExporter()
  readonly provider: NodeTracerProvider

  constructor(sampler?: Sampler) {
    this.provider = new NodeTracerProvider({
      spanProcessors: [new SimpleSpanProcessor(this.#exporter)],
      ...(sampler !== undefined && { sampler })
    })
    // With contexts in AsyncLocalStorage, and `traceparent` in headers.
    this.provider.register()
  }

  /** The ended spans with this name. */
  named(name: string): ReadableSpan[] {
    return this.#exporter.getFinishedSpans().filter((span) => span.name === name)
  }

  /** The names of all ended spans, in the order of their ends. */
  get names(): string[] {
    return this.#exporter.getFinishedSpans().map(({ name }) => name)
  }

  /** Waits for the only span with this name. */
  async span(name: string): Promise<ReadableSpan> {
    await eventually(() => this.named(name).length > 0, `a span ${name} among ${this.names.join(', ')}`)
    const [span, ...more] = this.named(name)
    if (span === undefined || more.length > 0) throw new Error(`there are ${more.length + 1} spans ${name}`)
    return span
  }

  async end(): Promise<void> {
    await this.provider.shutdown()
    trace.disable()
    context.disable()
    propagation.disable()
  }
}

/** Which span a span belongs to, and which ones it links to. */
export function placeOf(span: ReadableSpan): { trace: string; parent: string | undefined; links: string[] } {
  return {
    trace: span.spanContext().traceId,
    parent: span.parentSpanContext?.spanId,
    links: span.links.map(({ context }) => context.spanId)
  }
}

export const idOf = (span: ReadableSpan): string => span.spanContext().spanId

export const traceparentOf = ({ traceId, spanId }: SpanContext): string => `00-${traceId}-${spanId}-01`

export const millisecondsOf = ([seconds, nanoseconds]: HrTime): number => seconds * 1000 + nanoseconds / 1e6
