// Stops many readers and asks with one signal. Prints the warnings of Node.js, and how the waits ended.
import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import Fastify from 'fastify'
import blazeWs from 'fastify-blaze-ws'
import { defineContract } from 'fastify-blaze-ws/contract'
import { testClient } from 'fastify-blaze-ws/testing'

const COUNT = 20
const contract = defineContract({ name: 'talk', fromClient: { say: null }, asks: { confirm: {} } })
const warnings = []
process.on('warning', ({ name }) => warnings.push(name))

const stop = new AbortController()
const { signal } = stop
/** @type {Record<string, Promise<unknown>[]>} */
const waits = { read: [], receive: [], ask: [] }
const app = Fastify()
await app.register(blazeWs)
app.webSocket('/raw', async (ws) => {
  waits.read.push(ws.readMessage({ signal }))
  await once(ws.signal, 'abort')
})
app.webSocketWithContract('/contract', contract, async (ws) => {
  waits.receive.push(ws.receive({ signal }))
  waits.ask.push(ws.ask('confirm', undefined, { signal }))
  await once(ws.signal, 'abort')
})
await Promise.all(
  Array.from({ length: COUNT }, () => [testClient(app, '/raw'), testClient(app, '/contract', { contract })]).flat()
)
while (Object.values(waits).some((list) => list.length < COUNT)) await turn()
stop.abort(new Error('enough'))
const ends = {}
for (const [name, list] of Object.entries(waits)) {
  const results = await Promise.allSettled(list)
  ends[name] = results.filter(({ reason }) => reason?.message === 'enough').length
}
process.stdout.write(JSON.stringify({ warnings, ends }))
process.exit()
