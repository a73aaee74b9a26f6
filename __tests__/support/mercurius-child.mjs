// Fastify with the plugin, and mercurius registered before or after it.
import Fastify from 'fastify'
import mercurius from 'mercurius'
import blazeWs from '../../dist/esm/index.js'

const order = process.argv[2]
const graphql = {
  schema: 'type Query { hello: String } type Subscription { ticks: Int }',
  resolvers: {
    Query: { hello: () => 'world' },
    Subscription: {
      ticks: {
        subscribe: async function* () {
          yield { ticks: 1 }
        }
      }
    }
  },
  subscription: { fullWsTransport: true }
}

const app = Fastify()
if (order === 'before') await app.register(mercurius, graphql)
await app.register(blazeWs)
if (order === 'after') await app.register(mercurius, graphql)
app.webSocket('/ws', async (ws) => {
  for await (const { type, data } of ws) await ws.writeMessage(type, data)
})
await app.listen({ port: 0, host: '127.0.0.1' })
process.send(app.server.address().port)
process.on('disconnect', () => process.exit())
