// A primary whose workers run one contender: node workers.mjs <contender> <options as JSON, with `workers`>
// It reports the ports of all workers, and a control port of its own, which tells its CPU time.
import cluster from 'node:cluster'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { connectWorkers } from '../dist/esm/cluster.js'

const [, , contender, options] = process.argv
const { workers } = JSON.parse(options)
process.on('disconnect', () => process.exit())

cluster.setupPrimary({
  exec: fileURLToPath(new URL('server.mjs', import.meta.url)),
  args: [contender, options],
  serialization: 'advanced'
})
connectWorkers()

/** Starts a worker. Resolves to its ports. If it cannot start, everything ends. */
function fork() {
  const worker = cluster.fork()
  worker.on('exit', () => process.exit(1))
  return new Promise((resolve) => {
    worker.on('message', ({ port, control }) => port && resolve({ port, control }))
  })
}

const nodes = await Promise.all(Array.from({ length: workers }, fork))
const control = createServer((socket) => {
  createInterface({ input: socket }).on('line', () => {
    const { user, system } = process.cpuUsage()
    socket.write(`${JSON.stringify({ cpu: user + system })}\n`)
  })
})
control.listen(0, '127.0.0.1', () => process.send({ nodes, control: control.address().port }))
