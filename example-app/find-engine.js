import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const START_WITHIN = 5000
const ANSWER_WITHIN = 500

/** The engines that can connect the nodes: how to detect a running one, and how to start one that stores nothing on disk. */
const KINDS = [
  {
    variable: 'REDIS_URL',
    scheme: 'redis',
    usualPort: 6379,
    question: 'PING\r\n',
    answer: '+PONG',
    program: 'redis-server',
    args: (port) => ['--port', port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
  },
  {
    variable: 'NATS_URL',
    scheme: 'nats',
    usualPort: 4222,
    question: '',
    answer: 'INFO ',
    program: 'nats-server',
    args: (port) => ['--addr', '127.0.0.1', '--port', port]
  }
]

/**
 * Finds the engine that connects the nodes: the one that the environment names, or a running one, or a new one that it starts.
 * Resolves to the environment `variable` that names it, its `url`, and `stop()`; to undefined if there is no engine.
 */
export async function findEngine(environment) {
  for (const { variable } of KINDS) {
    if (environment[variable]) return { variable, url: environment[variable], async stop() {} }
  }
  for (const kind of KINDS) {
    if (await answers(kind, kind.usualPort)) return engineOf(kind, kind.usualPort)
  }
  for (const kind of KINDS) {
    const engine = await start(kind)
    if (engine !== undefined) return engine
  }
  return undefined
}

function engineOf({ variable, scheme }, port, stop = async () => {}) {
  return { variable, url: `${scheme}://127.0.0.1:${port}`, stop }
}

/** Starts an engine. Undefined if the program is not installed, or does not start. */
async function start(kind) {
  const port = await freePort()
  // In its own process group, so that Ctrl+C does not reach it: it must outlive the nodes.
  const child = spawn(kind.program, kind.args(String(port)), { stdio: 'ignore', detached: true })
  const ended = new Promise((resolve) => {
    child.once('error', resolve)
    child.once('exit', resolve)
  })
  process.once('exit', () => child.kill())
  const isReady = await Promise.race([ready(kind, port), ended.then(() => false)])
  const stop = () => {
    child.kill()
    return ended
  }
  if (isReady) return engineOf(kind, port, stop)
  child.kill()
  return undefined
}

async function ready(kind, port) {
  for (const end = Date.now() + START_WITHIN; Date.now() < end; await sleep(20)) {
    if (await answers(kind, port)) return true
  }
  return false
}

/** True if an engine of this kind listens on the port and accepts us. */
function answers({ question, answer }, port) {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', timeout: ANSWER_WITHIN })
    const done = (isThere) => {
      socket.destroy()
      resolve(isThere)
    }
    socket.once('connect', () => socket.write(question))
    socket.once('data', (data) => done(data.toString().startsWith(answer)))
    for (const event of ['error', 'timeout', 'close']) socket.once(event, () => done(false))
  })
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}
