import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import { invalidOption } from '../internal/errors.ts'
import { check, type Checks, hasMethods, objectWith, validateOptions } from '../internal/validate.ts'
import { CALL_DURATION, CONNECTION_DURATION, type Duration, measureDurations, type RecordTime } from './durations.ts'
import { type Labels, type Metric, METRICS, Reporter } from './metrics.ts'
import { hubs, hubsOf, type ObservedHubs } from './options.ts'

/** The module `prom-client` or `@prometheus-io/client`. */
export interface PrometheusClient {
  readonly Counter: new (configuration: never) => object
  readonly Gauge: new (configuration: never) => object
  readonly Histogram: new (configuration: never) => object
  /** The registry that the module uses if no other is given. */
  readonly register?: PrometheusRegistry
}

/** A `Registry` of that module. */
export interface PrometheusRegistry {
  registerMetric(metric: never): void
  getSingleMetric(name: string): object | undefined
  removeSingleMetric(name: string): void
}

/** The options of `prometheus`. */
export interface PrometheusOptions extends ObservedHubs {
  /** The module `prom-client` or `@prometheus-io/client`, whose metrics are used. */
  client: PrometheusClient
  /** Where the metrics are registered. They are removed when the server is closed. @default client.register */
  registry?: PrometheusRegistry
  /** What the names of all metrics begin with, before `fastify_blaze_ws_`. @default '' */
  prefix?: string
}

/** The metrics of the module, as far as they are used here. */
interface ClientMetrics {
  Counter: new (configuration: Configuration) => { reset(): void; inc(labels: Labels, value: number): void }
  Gauge: new (configuration: Configuration) => { reset(): void; set(labels: Labels, value: number): void }
  Histogram: new (configuration: Configuration) => { observe(labels: Labels, value: number): void }
}

interface Configuration {
  name: string
  help: string
  labelNames: readonly string[]
  registers: readonly PrometheusRegistry[]
  buckets?: readonly number[]
  collect?: () => void
}

const CLASSES = ['Counter', 'Gauge', 'Histogram']

const CHECKS: Checks<PrometheusOptions> = {
  client: objectWith(CLASSES, 'must be the module prom-client or @prometheus-io/client'),
  registry: check(
    (value) => hasMethods(value, ['registerMetric', 'getSingleMetric', 'removeSingleMetric']),
    'must be a Registry of prom-client or @prometheus-io/client'
  ),
  prefix: check(
    (value) => typeof value === 'string' && /^([a-z_:][a-z0-9_:]*)?$/i.test(value),
    'must be empty or begin a name of a metric: letters, digits, _ and :'
  ),
  hubs
}

async function prometheusPlugin(app: FastifyInstance, options: PrometheusOptions): Promise<void> {
  const { client, prefix, registry = client?.register, ...rest } = validateOptions(options, '', CHECKS, { prefix: '' })
  if (client === undefined)
    throw invalidOption('client', 'is required: the module prom-client or @prometheus-io/client')
  if (registry === undefined) throw invalidOption('registry', 'is required: the client has no `register`')
  const metrics = new ServerMetrics(client as unknown as ClientMetrics, registry, `${prefix}fastify_blaze_ws_`)
  // Also if it fails in the middle, because another server has metrics of these names there.
  app.addHook('onClose', async () => metrics.remove())
  const reporter = new Reporter(app, hubsOf(app, rest))
  for (const metric of METRICS) metrics.add(metric, reporter)
  measureDurations(app, metrics.addDuration(CALL_DURATION), metrics.addDuration(CONNECTION_DURATION))
}

/** The metrics of one server in a registry. */
class ServerMetrics {
  readonly #client: ClientMetrics
  readonly #registry: PrometheusRegistry
  readonly #prefix: string
  readonly #metrics = new Map<string, object>()

  constructor(client: ClientMetrics, registry: PrometheusRegistry, prefix: string) {
    this.#client = client
    this.#registry = registry
    this.#prefix = prefix
  }

  /** Adds a metric that is read at each scrape. */
  add(metric: Metric, reporter: Reporter): void {
    if (metric.kind === 'gauge') this.#addGauge(metric, reporter)
    else this.#addCounter(metric, reporter)
  }

  /** Returns the function that adds a time to the new histogram. */
  addDuration({ name, help, labels, buckets }: Duration): RecordTime {
    const configuration = { ...this.#configuration(`${name}.seconds`, help, labels), buckets }
    const histogram = new this.#client.Histogram(configuration)
    this.#metrics.set(configuration.name, histogram)
    return (seconds, values) => histogram.observe(values, seconds)
  }

  remove(): void {
    // The application may have cleared the registry, and another server may have put its own metrics there.
    for (const [name, metric] of this.#metrics)
      if (this.#registry.getSingleMetric(name) === metric) this.#registry.removeSingleMetric(name)
  }

  #addGauge({ name, help, labels, read }: Metric, reporter: Reporter): void {
    const configuration = this.#configuration(name, help, labels)
    const gauge = new this.#client.Gauge({
      ...configuration,
      collect: () => {
        gauge.reset()
        for (const [value, of] of read(reporter.read())) gauge.set(of, value)
      }
    })
    this.#metrics.set(configuration.name, gauge)
  }

  #addCounter({ name, help, labels, read }: Metric, reporter: Reporter): void {
    const configuration = this.#configuration(`${name}.total`, help, labels)
    const counter = new this.#client.Counter({
      ...configuration,
      collect: () => {
        counter.reset()
        for (const [value, of] of read(reporter.read())) counter.inc(of, value)
      }
    })
    this.#metrics.set(configuration.name, counter)
  }

  #configuration(name: string, help: string, labelNames: readonly string[]): Configuration {
    return { name: this.#prefix + name.replaceAll('.', '_'), help, labelNames, registers: [this.#registry] }
  }
}

/**
 * The Fastify plugin that puts the metrics of a server into a registry: `await app.register(prometheus, { client })`, after
 * fastify-blaze-ws. It adds no route.
 *
 * @throws FST_BLAZE_WS_INVALID_OPTION for an unknown option or a value that is not allowed.
 */
export const prometheus: FastifyPluginAsync<PrometheusOptions> = fastifyPlugin(prometheusPlugin, {
  name: 'fastify-blaze-ws-prometheus',
  fastify: '5.x',
  dependencies: ['fastify-blaze-ws']
})
