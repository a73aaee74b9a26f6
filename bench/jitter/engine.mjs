// A redis-server that writes everything to its disk before it answers, and that can be restarted.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { serve, stablePort } from './serve.mjs'

const port = await stablePort()
const folder = mkdtempSync(join(tmpdir(), 'jitter-'))
const settings = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'yes', '--appendfsync', 'always']
let redis

async function run() {
  redis = spawn('redis-server', ['--port', String(port), '--dir', folder, ...settings], {
    stdio: ['ignore', 'pipe', 'inherit'],
    // Ctrl-C in a terminal would reach it as well. This process ends it.
    detached: true
  })
  const lines = createInterface({ input: redis.stdout })
  for await (const line of lines) if (line.includes('Ready to accept connections')) break
  redis.stdout.resume()
}

async function restart({ away }) {
  const exited = once(redis, 'exit')
  connect(port, '127.0.0.1')
    .on('error', () => undefined)
    .end('SHUTDOWN\r\n')
  await exited
  await sleep(away)
  await run()
}

process.on('exit', () => {
  redis?.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit())

serve({
  start: async () => {
    await run()
    return port
  },
  restart
})
