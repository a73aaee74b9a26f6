import { type Context, ROOT_CONTEXT, type SpanContext, trace, TraceFlags } from '@opentelemetry/api'

/** The version that this package writes. */
const VERSION = '00'

/** The `traceparent` of W3C Trace Context for a span. */
export function traceparentOf({ traceId, spanId, traceFlags }: SpanContext): string {
  return `${VERSION}-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`
}

/** The span that a valid `traceparent` names. */
export function spanContextOf(traceparent: string): SpanContext {
  const [, traceId, spanId, flags] = traceparent.split('-') as [string, string, string, string]
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED, isRemote: true }
}

/** A context in which this span is the parent. */
export function contextBelow(parent: SpanContext): Context {
  return trace.setSpanContext(ROOT_CONTEXT, parent)
}

/** A context in which the span that a valid `traceparent` names is the parent; one without a parent if there is none. */
export function contextOf(traceparent: string | undefined): Context {
  return traceparent === undefined ? ROOT_CONTEXT : contextBelow(spanContextOf(traceparent))
}

export function isSampled({ traceFlags }: SpanContext): boolean {
  return (traceFlags & TraceFlags.SAMPLED) !== 0
}
