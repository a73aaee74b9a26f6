import { prometheus } from 'fastify-blaze-ws/prometheus'

/** Adds /metrics for Prometheus if `prom-client` is installed. In your application, let only Prometheus reach it. */
export async function addMetrics(app, hubs) {
  const client = await promClient()
  if (client === undefined) return
  const registry = new client.Registry()
  await app.register(prometheus, { client, registry, hubs })
  app.get('/metrics', async (_request, reply) => {
    reply.type(registry.contentType)
    return registry.metrics()
  })
}

async function promClient() {
  try {
    const { default: client } = await import('prom-client')
    return client
  } catch (error) {
    if (error.code === 'ERR_MODULE_NOT_FOUND') return undefined
    throw error
  }
}
