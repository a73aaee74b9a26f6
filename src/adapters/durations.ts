import type { FastifyInstance } from 'fastify'
import type { WebSocketConnection } from '../connection/connection.ts'
import { now } from '../internal/clock.ts'
import type { Labels } from './metrics.ts'
import { isConnectionOf, listen } from './listen.ts'

/** A metric of times, in seconds. */
export interface Duration {
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
  /** The upper bounds of its buckets. */
  readonly buckets: number[]
}

/** Calls that fit their schema, from their arrival to their answer. */
export const CALL_DURATION: Duration = {
  name: 'call.duration',
  help: 'Time to answer a call, by its JSON-RPC error code.',
  labels: ['route', 'method', 'code'],
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
}

export const CONNECTION_DURATION: Duration = {
  name: 'connection.duration',
  help: 'How long closed connections were open.',
  labels: ['route'],
  buckets: [1, 5, 15, 60, 300, 900, 3_600, 14_400, 86_400]
}

/** Takes a time in seconds. */
export type RecordTime = (seconds: number, labels: Labels) => void

/** Measures calls and connections of a server until it is closed. */
export function measureDurations(app: FastifyInstance, recordCall: RecordTime, recordConnection: RecordTime): void {
  const openedAt = new WeakMap<WebSocketConnection, number>()
  listen(app, {
    'fastify-blaze-ws:connection.open': ({ ws }) => {
      if (isConnectionOf(app, ws)) openedAt.set(ws, now())
    },
    'fastify-blaze-ws:connection.close': ({ ws, route }) => {
      const opened = openedAt.get(ws)
      if (opened !== undefined) recordConnection((now() - opened) / 1000, { route })
    },
    'fastify-blaze-ws:call': ({ ws, route, method, done }) => {
      if (!isConnectionOf(app, ws)) return
      const startedAt = performance.now()
      void done.then(({ code }) =>
        recordCall((performance.now() - startedAt) / 1000, { route, method, code: String(code ?? 'ok') })
      )
    }
  })
}
