// fastify-blaze-ws/prometheus: the metrics of a server, in a registry of the application.
export {
  prometheus,
  type PrometheusClient,
  type PrometheusOptions,
  type PrometheusRegistry
} from './adapters/prometheus.ts'
