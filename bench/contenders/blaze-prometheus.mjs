// Ours with the metrics for Prometheus. A scrape once a second is far more than usual.
import promClient from 'prom-client'
import { prometheus } from '../../dist/esm/prometheus.js'
import { start as startBlaze } from './blaze.mjs'

export const name = 'fastify-blaze-ws with Prometheus'

export const start = (options) =>
  startBlaze(options, async (app) => {
    const registry = new promClient.Registry()
    await app.register(prometheus, { client: promClient, registry })
    setInterval(() => registry.metrics(), 1000).unref()
  })
