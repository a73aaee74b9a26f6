import { type Meter, metrics, trace, type Tracer } from '@opentelemetry/api'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import { check, type Checks, objectWith, validateOptions } from '../../internal/validate.ts'
import { listen } from '../listen.ts'
import { hubs, hubsOf, type ObservedHubs } from '../options.ts'
import { ConnectionSpans } from './connection-spans.ts'
import { Handshakes } from './handshakes.ts'
import { HubSpans } from './hub-spans.ts'
import { addInstruments } from './instruments.ts'

/** The options of `openTelemetry`. */
export interface OpenTelemetryOptions extends ObservedHubs {
  /** Makes the spans. @default trace.getTracer('fastify-blaze-ws') */
  tracer?: Tracer
  /** Makes the metrics. @default metrics.getMeter('fastify-blaze-ws') */
  meter?: Meter
  /**
   * Which messages have a span, apart from calls: those of connections whose handshake was sampled and those that belong to a trace
   * (`'sampled'`), all (`true`) or none (`false`). The sampler decides about each of them, which costs the SDK half a microsecond.
   * @default 'sampled'
   */
  messages?: 'sampled' | boolean
}

const NAME = 'fastify-blaze-ws'

const DEFAULTS: Required<Pick<OpenTelemetryOptions, 'messages'>> = { messages: 'sampled' }

const CHECKS: Checks<OpenTelemetryOptions> = {
  tracer: objectWith(['startSpan'], 'must be a Tracer of @opentelemetry/api'),
  meter: objectWith(['createHistogram', 'addBatchObservableCallback'], 'must be a Meter of @opentelemetry/api'),
  messages: check((value) => value === 'sampled' || typeof value === 'boolean', "must be 'sampled' or a boolean"),
  hubs
}

async function openTelemetryPlugin(app: FastifyInstance, options: OpenTelemetryOptions): Promise<void> {
  const {
    tracer = trace.getTracer(NAME),
    meter = metrics.getMeter(NAME),
    messages,
    ...rest
  } = validateOptions(options, '', CHECKS, DEFAULTS)
  const observed = hubsOf(app, rest)
  addInstruments(app, meter, observed)

  const handshakes = new Handshakes(tracer)
  const connections = new ConnectionSpans(tracer, handshakes, messages === 'sampled')
  const hubSpans = new HubSpans(tracer, observed)
  app.addHook('onRequest', (request, _reply, done) => {
    handshakes.onRequest(request.raw)
    done()
  })
  listen(app, {
    'fastify-blaze-ws:connection.open': (message) => handshakes.onOpen(message),
    'fastify-blaze-ws:connection.refused': (message) => handshakes.onRefused(message),
    ...(messages !== false && {
      'fastify-blaze-ws:message.in': (message) => connections.onMessage(message),
      'fastify-blaze-ws:event': (message) => connections.onEvent(message)
    }),
    'fastify-blaze-ws:call': (message) => connections.onCall(message),
    'fastify-blaze-ws:broadcast': (message) => hubSpans.onBroadcast(message),
    'fastify-blaze-ws:publish': (message) => hubSpans.onPublish(message)
  })
}

/**
 * The Fastify plugin that gives metrics and spans of a server to OpenTelemetry: `await app.register(openTelemetry)`, after
 * fastify-blaze-ws and after the SDK has started.
 *
 * @throws FST_BLAZE_WS_INVALID_OPTION for an unknown option or a value that is not allowed.
 */
export const openTelemetry: FastifyPluginAsync<OpenTelemetryOptions> = fastifyPlugin(openTelemetryPlugin, {
  name: 'fastify-blaze-ws-otel',
  fastify: '5.x',
  dependencies: ['fastify-blaze-ws']
})
