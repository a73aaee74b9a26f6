// A server in a separate process, so that its memory can be measured. Run as: node --expose-gc memory-child.mjs
import Fastify from 'fastify'
import blazeWs from '../../dist/esm/index.js'

const app = Fastify()
await app.register(blazeWs)

let idle = 0
let open = 0
const MIB = 1024 * 1024

/** The memory held after a collection; the memory of buffers is freed a little later than the buffers. */
async function used() {
  globalThis.gc()
  await new Promise((resolve) => setTimeout(resolve, 20))
  globalThis.gc()
  const { heapUsed, external, arrayBuffers } = process.memoryUsage()
  return heapUsed + Math.max(external, arrayBuffers)
}

const tick = () => new Promise((resolve) => setImmediate(resolve))
const gate = { done: () => {} }
const scenarios = {
  // Reads nothing for as long as the connection lives.
  deaf: () => new Promise((resolve) => (gate.done = resolve)),
  // 200 MiB to a client that does not read.
  async awaited(ws) {
    const chunk = Buffer.alloc(64 * 1024)
    try {
      for (let i = 0; i < 3200; i++) await ws.writeBinary(chunk)
    } catch {}
  },
  async unawaited(ws) {
    const chunk = Buffer.alloc(64 * 1024)
    for (let i = 0; i < 3200; i++) {
      void ws.writeBinary(chunk)
      if (i % 10 === 0) await tick()
    }
  },
  async async(ws) {
    const chunk = Buffer.alloc(64 * 1024)
    for (let i = 0; i < 3200; i++) {
      ws.writeAsync(chunk, 2)
      if (i % 10 === 0) await tick()
    }
  },
  async broadcast(ws) {
    app.wsHub.register(ws)
    for (let i = 0; i < 3200; i++) {
      app.wsHub.broadcast(Buffer.alloc(64 * 1024, i), { type: 2 })
      if (i % 10 === 0) await tick()
    }
  }
}
for (const [name, run] of Object.entries(scenarios)) {
  const handler = async (ws) => {
    open++
    ws.signal.addEventListener('abort', () => open--)
    await run(ws)
    if (process.connected) process.send({ done: name })
    // The connection stays open, so that the memory held for it can be measured.
    await new Promise((resolve) => (gate.done = resolve))
  }
  app.webSocketWithConfig(`/${name}`, handler, { writeTimeout: 0, readTimeout: 0 })
  for (const slowConsumer of ['dropNewest', 'dropOldest', 'coalesce']) {
    app.webSocketWithConfig(`/${name}/${slowConsumer}`, handler, {
      writeTimeout: 0,
      slowConsumer: slowConsumer === 'coalesce' ? { coalesce: (data) => data[0] } : slowConsumer
    })
  }
}
app.webSocket('/leak', async (ws) => {
  app.wsHub.join(ws, 'room')
  ws.setLocal('junk', 'x'.repeat(100))
  for await (const { type, data } of ws) await ws.writeMessage(type, data)
})

process.on('message', async (command) => {
  if (command === 'start') {
    idle = await used()
  }
  if (command === 'finish') gate.done()
  if (command === 'close') {
    await app.close()
    process.disconnect()
    return
  }
  const held = (await used()) - idle
  if (process.connected) process.send({ command, heldMiB: held / MIB, open, hub: app.wsHub.stats() })
})
await app.listen({ port: 0, host: '127.0.0.1' })
process.send({ port: app.server.address().port })
