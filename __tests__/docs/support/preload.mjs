// Runs before an example: replaces the port it asks for with a free one on loopback, and reports that port.
import { subscribe } from 'node:diagnostics_channel'

const apps = []
subscribe('fastify.initialization', ({ fastify }) => {
  apps.push(fastify)
  const { listen } = fastify
  fastify.listen = async (options) => {
    const address = await listen.call(fastify, { ...options, host: '127.0.0.1', port: 0 })
    process.send({ port: fastify.server.address().port })
    return address
  }
})

process.once('message', async () => {
  for (const app of apps) await app.close()
  process.disconnect()
})
// An example that starts no server ends when it is done.
process.channel.unref()
