// The server that is fuzzed, in a process of its own. Run by run.mjs, with --expose-gc.
import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import Fastify from 'fastify'
import { ROUTE } from './limits.mjs'

const { FUZZ_DIST } = process.env
const { default: blazeWs, isCloseError } = await import(
  FUZZ_DIST === undefined ? '../../dist/esm/index.js' : pathToFileURL(resolve(FUZZ_DIST, 'esm', 'index.js')).href
)

const tell = (report) => {
  if (process.connected) process.send(report)
}
for (const event of ['uncaughtException', 'unhandledRejection'])
  process.on(event, (error) => tell({ crash: `${event}: ${error?.stack ?? error}` }))

let open = 0

/** All messages that the handler accepted, even if the client had closed before they could be sent back. */
class Record {
  count = 0
  #digest = createHash('sha1')

  add({ type, data }) {
    this.count++
    // With its type and length, so that no two sequences of messages look the same.
    this.#digest.update(`${type}:${data.length}:`).update(data)
  }

  get digest() {
    return this.#digest.digest('hex')
  }
}

async function echo(ws) {
  open++
  const record = new Record()
  const closed = new Promise((done) => ws.signal.addEventListener('abort', done))
  let failure
  try {
    for await (const message of ws) {
      record.add(message)
      await ws.writeMessage(message.type, message.data).catch((error) => {
        // The client has closed, but the remaining messages are still read.
        if (!isCloseError(error)) throw error
      })
    }
  } catch (error) {
    failure = String(error?.stack ?? error)
  }
  await closed
  open--
  const id = ws.context().query('id')
  if (id !== '') tell({ seen: { id, count: record.count, digest: record.digest, code: ws.closeInfo.code, failure } })
}

const app = Fastify()
await app.register(blazeWs)
app.webSocketWithConfig('/echo', echo, {
  ...ROUTE,
  subprotocols: ['chat.v2', 'chat.v1'],
  // Timeouts and floods are tested elsewhere, and pings from the server would come between its answers.
  maxControlFrames: 0,
  maxBufferedChunks: 1_000_000,
  readTimeout: 0,
  pingInterval: 0
})

/** The memory held after a collection; the memory of buffers is freed a little later than the buffers. */
async function held() {
  for (let i = 0; i < 2; i++) {
    globalThis.gc()
    await new Promise((done) => setTimeout(done, 50))
  }
  const { heapUsed, external, arrayBuffers } = process.memoryUsage()
  return heapUsed + Math.max(external, arrayBuffers)
}

process.on('message', async (command) => {
  if (command === 'close') {
    await app.close()
    return process.disconnect()
  }
  const sockets = await new Promise((done) => app.server.getConnections((_error, count) => done(count)))
  tell({
    state: {
      open,
      sockets,
      handles: process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length,
      held: await held()
    }
  })
})
await app.listen({ port: 0, host: '127.0.0.1' })
tell({ port: app.server.address().port })

// The parent process is gone.
process.on('disconnect', () => setTimeout(() => process.exit(), 20_000).unref())
