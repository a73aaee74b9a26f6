// Runs a redis-server on a free port until the parent process disconnects, then kills it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

const port = await freePort()
const redis = spawn(
  'redis-server',
  ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
  { stdio: ['ignore', 'pipe', 'ignore'] }
)
let said = ''
redis.on('exit', () => {
  if (!process.connected) process.exit()
  process.stderr.write(`Error: redis-server ended: ${said}\n`, () => process.exit(1))
})
process.on('disconnect', () => redis.kill('SIGKILL'))
createInterface({ input: redis.stdout }).on('line', (line) => {
  said = line
  if (line.includes('Ready to accept connections')) process.send({ port })
})
