// With the metrics for Prometheus, read once a second, which is far more often than usual.
import promClient from 'prom-client'
import blazeWs from '../../../dist/esm/index.js'
import { prometheus } from '../../../dist/esm/prometheus.js'
import { startWith } from '../blaze.mjs'

export const start = (options) =>
  startWith(blazeWs, options, (app) => {
    const registry = new promClient.Registry()
    app.register(prometheus, { client: promClient, registry })
    setInterval(() => registry.metrics(), 1000).unref()
  })
