// A server whose handlers keep some of their messages, in a process of its own, so that its memory can be measured. It reports
// after the last message of each connection. Run as: node --expose-gc kept-child.mjs
import Fastify from 'fastify'
import blazeWs from '../../dist/esm/index.js'

const app = Fastify()
await app.register(blazeWs)

/** The memory held after a collection; the memory of buffers is freed a little later than the buffers. */
async function used() {
  for (let i = 0; i < 3; i++) {
    globalThis.gc()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const { heapUsed, external, arrayBuffers } = process.memoryUsage()
  return heapUsed + Math.max(external, arrayBuffers)
}

/** Keeps one of `every` messages until the report. */
app.webSocket('/keep', async (ws) => {
  const every = Number(ws.context().query('every'))
  const before = await used()
  const kept = []
  let count = 0
  for await (const { type, data } of ws) {
    if (type === 1) break
    if (count++ % every === 0) kept.push(data)
  }
  process.send({
    count,
    grown: (await used()) - before,
    kept: kept.length,
    size: kept.reduce((sum, { length }) => sum + length, 0)
  })
})

/** Looks at the memory behind each message. This would move small ones out of V8's heap, so it keeps none. */
app.webSocket('/look', async (ws) => {
  let count = 0
  const worst = { held: 0, size: 1 }
  for await (const { type, data } of ws) {
    if (type === 1) break
    count++
    const held = data.buffer.byteLength
    if (held * worst.size > worst.held * data.length) Object.assign(worst, { held, size: data.length })
  }
  process.send({ count, worst })
})

await app.listen({ port: 0, host: '127.0.0.1' })
process.send({ port: app.server.address().port })
process.on('message', async () => {
  await app.close()
  process.disconnect()
})
