// One contender in a process of its own: node --expose-gc server.mjs <contender> <options as JSON>
// The generator sends its commands to a second port, so that they hardly affect the measurement.
import { createServer } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { stamped } from './wire.mjs'

const [, , contender, options] = process.argv
const { start } = await import(`./contenders/${contender}.mjs`)
const server = await start(JSON.parse(options)).catch((error) => {
  process.stderr.write(`${error}\n`)
  process.exit(1)
})
process.on('disconnect', () => process.exit())

async function memory() {
  for (let i = 0; i < 5; i++) {
    globalThis.gc()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return process.memoryUsage.rss()
}

/** Broadcasts timestamps at a fixed rate, never two in one callback. Resolves to their number. */
function paced({ rate, duration, size }) {
  return new Promise((resolve) => {
    const from = performance.now()
    const total = Math.round((rate * duration) / 1000)
    let sent = 0
    const timer = setInterval(() => {
      if (sent >= ((performance.now() - from) * rate) / 1000) return
      server.broadcast(stamped(size), 1)
      if (++sent < total) return
      clearInterval(timer)
      resolve({ sent })
    }, 1)
  })
}

/** Broadcasts into one room after the other. With `isApart`, each broadcast has a turn of the event loop for itself. */
async function broadcastToRooms(payload, count, { isApart }) {
  for (let i = 0; i < count; i++) {
    if (isApart) await setImmediate()
    server.broadcastToRoom(payload)
  }
}

async function answer({ command, payload, count, publishers = 1, ...pace }) {
  if (command === 'broadcast') {
    // Several publishers in one turn of the event loop, each in a callback of its own.
    for (let i = 1; i < publishers; i++) queueMicrotask(() => server.broadcast(payload, count))
    return void server.broadcast(payload, count)
  }
  if (command === 'rooms') return void broadcastToRooms(payload, count, pace)
  const { user, system } = process.cpuUsage()
  if (command === 'cpu') return { cpu: user + system }
  if (command === 'size') return { size: await server.size() }
  if (command === 'paced') return paced(pace)
  if (command === 'resume' || command === 'resumed') return server[command]()
  return { rss: await memory() }
}

const control = createServer((socket) => {
  let rest = ''
  socket.setNoDelay()
  socket.on('data', async (chunk) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()
    for (const line of lines) {
      const result = await answer(JSON.parse(line))
      if (result) socket.write(`${JSON.stringify(result)}\n`)
    }
  })
  socket.on('close', () => process.exit())
})
control.listen(0, '127.0.0.1', () => process.send({ port: server.port, control: control.address().port }))
