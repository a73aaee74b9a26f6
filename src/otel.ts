// fastify-blaze-ws/otel: the metrics and spans of a server, for OpenTelemetry.
export { openTelemetry, type OpenTelemetryOptions } from './adapters/otel/open-telemetry.ts'
