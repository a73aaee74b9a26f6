// Ours with OpenTelemetry: metrics, and spans of one message in a hundred.
import { metrics } from '@opentelemetry/api'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader
} from '@opentelemetry/sdk-metrics'
import {
  BatchSpanProcessor,
  NodeTracerProvider,
  ParentBasedSampler,
  TraceIdRatioBasedSampler
} from '@opentelemetry/sdk-trace-node'
import { openTelemetry } from '../../dist/esm/otel.js'
import { start as startBlaze } from './blaze.mjs'

export const name = 'fastify-blaze-ws with OpenTelemetry'

/** Takes spans and drops them: how fast a collector is does not count here. */
const exporter = { export: (_spans, done) => done({ code: 0 }), shutdown: async () => {}, forceFlush: async () => {} }

export const start = (options) => {
  new NodeTracerProvider({
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(0.01) }),
    spanProcessors: [new BatchSpanProcessor(exporter)]
  }).register()
  const reader = new PeriodicExportingMetricReader({
    exporter: new InMemoryMetricExporter(AggregationTemporality.DELTA),
    exportIntervalMillis: 1000
  })
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }))
  return startBlaze(options, (app) => app.register(openTelemetry))
}
