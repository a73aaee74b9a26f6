// A raw route that reads and writes the same bytes as the contract route, by hand and without any checks.
import Fastify from 'fastify'
import blazeWs from '../../../dist/esm/index.js'
import { groups, lengthOf, price } from './traffic.mjs'

export { exchanges, wire } from './json-rpc.mjs'

const textOf = (message) => JSON.stringify({ jsonrpc: '2.0', ...message })
const done = textOf({ method: 'done' })

async function readAll(ws, isLast) {
  for (;;) {
    const { id, method, params } = await ws.readJSON()
    if (method === 'rename') await ws.writeText(textOf({ id, result: lengthOf(params) }))
    else if (isLast()) await ws.writeText(done)
  }
}

export async function start({ inFlight, pingInterval }) {
  const app = Fastify()
  await app.register(blazeWs, { config: { ...(pingInterval !== undefined && { pingInterval }) } })
  app.webSocket('/', async (ws) => {
    app.wsHub.register(ws)
    await readAll(ws, groups(inFlight))
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return {
    port: app.server.address().port,
    /** With one serialization for each broadcast, like that of a contract. */
    broadcast(_payload, count) {
      for (let i = 0; i < count; i++) app.wsHub.broadcast(textOf({ method: 'price', params: price }))
    },
    size: () => app.wsHub.getClientCount()
  }
}
