// Uses test clients and must end by itself: neither clients nor the server are closed. Reports which clients are kept.
import Fastify from 'fastify'
import blazeWs from 'fastify-blaze-ws'
import { defineContract } from 'fastify-blaze-ws/contract'
import { testClient } from 'fastify-blaze-ws/testing'

const contract = defineContract({ name: 'echo', calls: { echo: {} } })
const app = Fastify()
await app.register(blazeWs)
app.webSocket('/raw', async (ws) => {
  for await (const { type, data } of ws) await ws.writeMessage(type, data)
})
app.webSocketWithContract('/contract', contract, { calls: { echo: () => {} } })

const refs = []
let ends = 0

/** A function of its own, so that no variable of this module keeps a client. */
async function useClients(round) {
  const raw = await testClient(app, '/raw')
  const typed = await testClient(app, '/contract', { contract })
  await raw.send('hello')
  await raw.next()
  await raw.next({ within: 1 }).catch(() => {})
  await typed.call('echo')
  if (round % 3 === 0) for (const client of [raw, typed]) client.stall()
  for (const client of [raw, typed]) {
    refs.push(new WeakRef(client))
    if (round % 2 === 0) client.cut()
    else await client.close()
    await client.closed
    ends++
  }
  await testClient(app, '/nowhere').catch(() => {})
}

for (let round = 0; round < 100; round++) await useClients(round)
for (let times = 0; times < 10; times++) {
  await new Promise((resolve) => setTimeout(resolve, 10))
  globalThis.gc()
}
const kept = refs.filter((ref) => ref.deref() !== undefined).length
const resources = process.getActiveResourcesInfo().filter((name) => !/Pipe|TTY|Timeout/.test(name))
process.stdout.write(JSON.stringify({ ends, kept, resources }))

// These stay open, and one of them is stalled.
const left = [await testClient(app, '/raw'), await testClient(app, '/contract', { contract })]
left[0].stall()
