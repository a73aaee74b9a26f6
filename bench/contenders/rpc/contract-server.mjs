import Fastify from 'fastify'
import { defineContract } from '../../../dist/esm/contract.js'
import blazeWs from '../../../dist/esm/index.js'
import { groups, lengthOf, price } from './traffic.mjs'

/** Starts a contract route with these schemas. */
export async function startWith({ move, price: priceSchema, rename, renamed }, { inFlight, pingInterval }) {
  const contract = defineContract({
    name: 'bench',
    fromClient: { move },
    fromServer: { price: priceSchema, done: null },
    calls: { rename: { input: rename, output: renamed } }
  })
  const app = Fastify()
  await app.register(blazeWs, { config: { ...(pingInterval !== undefined && { pingInterval }) } })
  const handler = async (ws) => {
    app.wsHub.register(ws)
    const isLast = groups(inFlight)
    for await (const { type } of ws) if (type === 'move' && isLast()) await ws.send('done')
  }
  app.webSocketWithContract('/', contract, handler, { calls: { rename: lengthOf } })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return {
    port: app.server.address().port,
    broadcast(_payload, count) {
      for (let i = 0; i < count; i++) app.wsHub.broadcast(contract, 'price', price)
    },
    size: () => app.wsHub.getClientCount()
  }
}
