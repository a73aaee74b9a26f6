import type { BatchObservableResult, Meter } from '@opentelemetry/api'
import type { FastifyInstance } from 'fastify'
import type { WebSocketHub } from '../../hub/hub.ts'
import { CALL_DURATION, CONNECTION_DURATION, type Duration, measureDurations, type RecordTime } from '../durations.ts'
import { METRICS, Reporter } from '../metrics.ts'

const PREFIX = 'fastify_blaze_ws.'

/** Gives the metrics of a server to a meter, until the server is closed. They are read when the meter collects. */
export function addInstruments(app: FastifyInstance, meter: Meter, hubs: Readonly<Record<string, WebSocketHub>>): void {
  const reporter = new Reporter(app, hubs)
  const instruments = METRICS.map(({ name, kind, unit, help: description, read }) => {
    const create = kind === 'gauge' ? 'createObservableGauge' : 'createObservableCounter'
    return { instrument: meter[create](PREFIX + name, { unit, description }), read }
  })
  const observe = (result: BatchObservableResult): void => {
    const report = reporter.read()
    for (const { instrument, read } of instruments)
      for (const [value, labels] of read(report)) result.observe(instrument, value, labels)
  }
  const all = instruments.map(({ instrument }) => instrument)
  meter.addBatchObservableCallback(observe, all)
  app.addHook('onClose', async () => meter.removeBatchObservableCallback(observe, all))
  measureDurations(app, histogram(meter, CALL_DURATION), histogram(meter, CONNECTION_DURATION))
}

function histogram(meter: Meter, { name, help: description, buckets }: Duration): RecordTime {
  const advice = { explicitBucketBoundaries: buckets }
  const instrument = meter.createHistogram(PREFIX + name, { unit: 's', description, advice })
  return (seconds, labels) => instrument.record(seconds, labels)
}
