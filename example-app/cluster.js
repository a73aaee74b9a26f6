// Runs the chat on two nodes of this machine, behind a balancer: `npm run start:cluster`
import { randomBytes } from 'node:crypto'
import { Balancer } from './balancer.js'
import { ChatNode } from './chat-node.js'
import { findEngine } from './find-engine.js'

const { PORT = '3000', HOST = '127.0.0.1', CHAT_TOKEN } = process.env

const token = CHAT_TOKEN || randomBytes(16).toString('hex')
const balancer = new Balancer()
const ownPort = await balancer.listen(Number(PORT), HOST)
const engine = await findEngine(process.env)
if (engine === undefined) {
  console.error(
    'Two nodes need Redis or NATS between them: install redis-server or nats-server, or set REDIS_URL or NATS_URL to a running server.'
  )
  process.exit(1)
}

const environment = {
  ...process.env,
  REDIS_URL: '',
  NATS_URL: '',
  [engine.variable]: engine.url,
  PORT: '0',
  HOST: '127.0.0.1',
  CHAT_TOKEN: token
}
const say = (line) => console.log(line)
const events = { up: (port) => balancer.add(port), down: (port) => balancer.remove(port), say }
const nodes = ['Node 1', 'Node 2'].map((name) => new ChatNode(name, { ...environment, CHAT_NODE: name }, events))

let closing
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => (closing ??= close()))

/** Runs only once: a second signal, such as the one that npm adds to a Ctrl+C, changes nothing. */
async function close() {
  await Promise.all(nodes.map((node) => node.close()))
  await balancer.close()
  await engine.stop()
  process.exit(0)
}

await Promise.all(nodes.map((node) => node.start()))
const address = `http://${HOST.includes(':') ? `[${HOST}]` : HOST}:${ownPort}`
say(`Chat: ${address}  (for operators: ${address}/status, any name and the token)`)
for (const node of nodes) say(String(node))
say(`Between them: ${engine.variable === 'REDIS_URL' ? 'Redis' : 'NATS'} at ${new URL(engine.url).host}`)
if (!CHAT_TOKEN) say(`Token for /admin and /status (set CHAT_TOKEN to choose your own): ${token}`)
