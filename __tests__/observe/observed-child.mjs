// Uses both copies of the built package in one process whose subscribers throw.
import assert from 'node:assert/strict'
import { subscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import Fastify from 'fastify'
import { WebSocket } from 'ws'
import * as esm from '../../dist/esm/index.js'

const cjs = createRequire(import.meta.url)('../../dist/cjs/index.js')
assert.notEqual(esm.WebSocketHub, cjs.WebSocketHub)

const NAMES = ['connection.open', 'message.in', 'message.out', 'broadcast', 'publish', 'connection.close']
const seen = []
const thrown = []
process.on('uncaughtException', (error) => thrown.push(error.message))
for (const name of NAMES)
  subscribe(`fastify-blaze-ws:${name}`, () => {
    seen.push(name)
    throw new Error(`${name} failed`)
  })

for (const { default: blazeWs } of [esm, cjs]) {
  seen.length = thrown.length = 0
  const app = Fastify()
  await app.register(blazeWs)
  app.webSocket('/ws', async (ws) => {
    app.wsHub.join(ws, 'room')
    for await (const { data } of ws) await ws.writeText(data.toString())
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const client = new WebSocket(`ws://127.0.0.1:${app.server.address().port}/ws`)
  await once(client, 'open')
  for (const act of [
    () => client.send('echo'),
    () => app.wsHub.broadcast('broadcast'),
    () => app.wsHub.publish('publish', { to: 'room' })
  ]) {
    act()
    await once(client, 'message')
  }
  client.close(1000)
  const [code] = await once(client, 'close')
  assert.equal(code, 1000)
  await app.close()
  assert.deepEqual(new Set(seen), new Set(NAMES))
  assert.deepEqual(
    thrown,
    seen.map((name) => `${name} failed`)
  )
  assert.deepEqual(app.wsStats().total.closed, { 1000: 1 })
  assert.equal(app.wsStats().total.errors, 0)
}
