// One node of a contender. The publisher asks it over HTTP; the harness ends it with SIGTERM.
import { serve } from './serve.mjs'

const { contender, port, engine } = JSON.parse(process.argv[2])
/** How often the harness hears of the memory, in milliseconds. */
const SAMPLE_EVERY = 250

const file = contender === 'socket.io' ? './socket.io-node.mjs' : './blaze-node.mjs'
const { startNode } = await import(file)
let node

process.on('SIGTERM', async () => {
  await node?.close()
  process.exit()
})

const timer = setInterval(() => process.send({ rss: process.memoryUsage.rss() }), SAMPLE_EVERY)
timer.unref()

serve({
  start: async () => {
    node = await startNode({ port, engine, contender })
  }
})
