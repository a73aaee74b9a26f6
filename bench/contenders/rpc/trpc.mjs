// Queries over WebSocket. The input is not checked.
import { createServer } from 'node:http'
import { initTRPC } from '@trpc/server'
import { applyWSSHandler } from '@trpc/server/adapters/ws'
import { WebSocketServer } from 'ws'
import { exchangesOf, lengthOf, rename, renamed } from './traffic.mjs'

export const exchanges = exchangesOf({
  call: (id) => JSON.stringify({ id, method: 'query', params: { path: 'rename', input: rename } }),
  answer: (id) => JSON.stringify({ id, result: { type: 'data', data: renamed } })
})

export async function start() {
  const { router, procedure } = initTRPC.create()
  const query = procedure.input((input) => input).query(({ input }) => lengthOf(input))
  const http = createServer()
  const wss = new WebSocketServer({ server: http })
  applyWSSHandler({ wss, router: router({ rename: query }) })
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve))
  return { port: http.address().port, size: () => wss.clients.size }
}
