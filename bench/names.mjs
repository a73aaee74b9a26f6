// The contenders in the order of the columns, and their names in the table.
export const COLUMNS = [
  'blaze',
  'blaze-unchecked',
  'blaze-raw',
  'blaze-broadcast',
  'blaze-baseline',
  'blaze-channels',
  'blaze-one-process',
  'blaze-over-redis',
  'blaze-prometheus',
  'blaze-otel-sdk',
  'blaze-otel',
  'fastify-websocket',
  'ws',
  'net',
  'crossws',
  'redis',
  'socket.io',
  'trpc',
  'uws'
]
const NAMES = {
  blaze: 'fastify-blaze-ws',
  'blaze-unchecked': 'ours, without checks',
  'blaze-raw': 'our raw route',
  'blaze-broadcast': 'our broadcast',
  'blaze-baseline': 'another version of ours',
  'blaze-channels': 'all channels',
  'blaze-one-process': 'ours, one process',
  'blaze-over-redis': 'ours, over Redis',
  'blaze-prometheus': 'Prometheus',
  'blaze-otel-sdk': 'beside OpenTelemetry',
  'blaze-otel': 'OpenTelemetry',
  'fastify-websocket': '@fastify/websocket',
  net: 'raw net',
  redis: 'bare Redis',
  trpc: 'tRPC',
  uws: 'uWebSockets.js'
}
export const nameOf = (contender) => NAMES[contender] ?? contender
