// Uses both copies of the built package in one process, like an application that imports it while a dependency requires it.
// Run as: node two-copies-child.mjs <scenario> <format of the server: esm or cjs>
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { connect as connectTcp } from 'node:net'
import Fastify from 'fastify'
import { WebSocket } from 'ws'
import * as esm from '../../dist/esm/index.js'
import * as esmContract from '../../dist/esm/contract.js'

const require = createRequire(import.meta.url)
const cjs = require('../../dist/cjs/index.js')
const cjsContract = require('../../dist/cjs/contract.js')
assert.notEqual(esm.WebSocketHub, cjs.WebSocketHub)
const [own, other] = process.argv[3] === 'esm' ? [esm, cjs] : [cjs, esm]
const otherContract = process.argv[3] === 'esm' ? cjsContract : esmContract
const logs = []
const apps = []

async function start(copy, setUp, config = {}) {
  const app = Fastify({ logger: { level: 'debug', stream: { write: (line) => logs.push(JSON.parse(line)) } } })
  apps.push(app)
  await app.register(copy.default, { config })
  const connections = []
  app.webSocket('/ws', async (ws) => {
    connections.push(ws)
    await setUp(ws)
    await ws.writeText('ready')
    for await (const message of ws) void message
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address()
  return { app, port, connections }
}

/** A registered client, which keeps the messages it gets from then on. */
async function join(port) {
  const client = new WebSocket(`ws://127.0.0.1:${port}/ws`)
  const messages = []
  const early = () => assert.fail(`closed before it was ready: ${JSON.stringify(logs.at(-1))}`)
  client.once('close', early)
  await once(client, 'message')
  client.off('close', early)
  client.on('message', (data) => messages.push(Buffer.from(data).toString()))
  const closed = once(client, 'close').then(([code, reason]) => ({ code, reason: String(reason) }))
  return { client, messages, closed }
}

async function until(condition) {
  for (let i = 0; !condition(); i++) {
    assert.ok(i < 2_000, `did not come true: ${String(condition)}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

const scenarios = {
  async membership() {
    const hub = new other.WebSocketHub()
    const heard = []
    for (const event of ['register', 'unregister']) hub.on(event, (ws) => heard.push([event, ws.id]))
    const { port, connections } = await start(own, (ws) => assert.equal(hub.join(ws, 'room'), true))
    const [a, b] = [await join(port), await join(port)]
    const [first, second] = connections
    assert.deepEqual(hub.rooms(first), ['room'])
    assert.deepEqual(hub.getClients('room'), connections)
    assert.equal(hub.broadcast('all'), 2)
    assert.equal(hub.broadcast('one', { except: first }), 1)
    assert.equal(hub.broadcast('two', { except: [second.id] }), 1)
    assert.equal(hub.broadcast('three', { filter: (ws) => ws === first }), 1)
    assert.equal(hub.presence.set(first, 'room', { name: 'ann' }), true)
    hub.leave(first, 'room')
    assert.equal(hub.to('room').broadcastJSON(4), 1)
    await until(() => a.messages.length === 3 && b.messages.length === 3)
    assert.deepEqual(a.messages, ['all', 'two', 'three'])
    assert.deepEqual(b.messages, ['all', 'one', '4'])
    assert.equal(hub.disconnect(second, 4000, 'out'), 1)
    assert.deepEqual(await b.closed, { code: 4000, reason: 'out' })
    hub.unregister(first)
    assert.equal((await a.closed).code, 1000)
    assert.equal(hub.stats().clients, 0)
    assert.deepEqual(
      heard.map(([event]) => event),
      ['register', 'register', 'unregister', 'unregister']
    )
  },

  async bursts() {
    const hub = new other.WebSocketHub()
    const servers = [await start(own, (ws) => hub.register(ws)), await start(other, (ws) => hub.register(ws))]
    const clients = []
    for (const { port } of servers) for (let i = 0; i < 3; i++) clients.push(await join(port))
    const expected = []
    const send = (text) => expected.push(text) && hub.broadcast(text)
    // Short messages share their frames, long ones are compressed, and one connection gets its own message in between.
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 20; i++) assert.equal(send(`${round} ${i}`), 6)
      send(`${round} `.padEnd(5_000, 'long '))
      if (round % 2 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await until(() => clients.every(({ messages }) => messages.length === expected.length))
    for (const { messages } of clients) assert.deepEqual(messages, expected)
    assert.equal(hub.stats().messagesSent, 6 * expected.length)
    await hub.shutdown(1_000)
    for (const { closed } of clients) assert.equal((await closed).code, 1001)
  },

  async slow() {
    const hub = new other.WebSocketHub({ slowConsumer: 'disconnect' })
    const slow = []
    hub.on('slow', (ws) => slow.push(ws))
    const { port, connections } = await start(own, (ws) => hub.register(ws), { sendQueueSize: 4, compressionLevel: 0 })
    const healthy = await join(port)
    const deaf = connectTcp(port, '127.0.0.1')
    deaf.write(
      'GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'
    )
    deaf.on('error', () => {})
    await until(() => connections.length === 2)
    deaf.pause()
    let sent = 0
    while (slow.length === 0) {
      hub.broadcast('x'.repeat(256 * 1024))
      sent++
      await until(() => healthy.messages.length === sent)
    }
    assert.deepEqual(slow, [connections[1]])
    assert.deepEqual(hub.getClients(), [connections[0]])
    assert.equal(hub.stats().slowDisconnects, 1)
    deaf.destroy()
    healthy.client.terminate()
  },

  async instances() {
    const { app, port, connections } = await start(own, () => {})
    const { client, closed } = await join(port)
    const [ws] = connections
    assert.ok(ws instanceof other.WebSocketConnection)
    assert.ok(app.wsHub instanceof other.WebSocketHub)
    assert.ok(new own.MemoryEngine() instanceof other.MemoryEngine)
    assert.ok(!(app.wsHub instanceof other.WebSocketConnection))
    assert.ok(!({} instanceof other.WebSocketHub) && !(null instanceof other.WebSocketHub))
    // A class derived by an application recognizes only its own objects.
    class Mine extends other.WebSocketHub {}
    assert.ok(!(app.wsHub instanceof Mine) && new Mine() instanceof Mine && new Mine() instanceof own.WebSocketHub)
    client.close(4001, 'bye')
    await closed
    const error = await ws.readMessage().catch((reason) => reason)
    assert.ok(
      error instanceof other.CloseError && error instanceof other.errors.CLOSED && other.isCloseError(error, 4001)
    )
    assert.throws(
      () => own.allowOrigins('x'),
      (thrown) => thrown instanceof other.errors.INVALID_OPTION
    )
    assert.throws(() => new other.WebSocketHub().register({}), { code: 'FST_BLAZE_WS_INVALID_ARGUMENT' })
  },

  async failures() {
    const hub = new other.WebSocketHub()
    hub.on('register', async () => {
      throw new Error('from an async listener')
    })
    hub.on('unregister', () => {
      throw new Error('from a listener')
    })
    const { port } = await start(own, (ws) => hub.register(ws))
    const { client } = await join(port)
    client.terminate()
    await until(() => logs.filter(({ msg }) => msg === 'listener of a WebSocketHub event failed').length === 2)
  },

  async brokers() {
    // Both copies share the default engine.
    const hubs = [
      new own.WebSocketHub({ name: 'shared', broker: own.memoryBroker() }),
      new other.WebSocketHub({ name: 'shared', broker: other.memoryBroker() })
    ]
    const engine = new own.MemoryEngine()
    const named = new other.WebSocketHub({ name: 'shared', broker: other.memoryBroker({ engine }) })
    const { port } = await start(own, (ws) => hubs[1].join(ws, 'room'))
    const { client, messages } = await join(port)
    await Promise.all(hubs.map((hub) => hub.cluster.ready()))
    hubs[0].broadcast('over the broker', { to: 'room' })
    await until(() => messages.length === 1)
    const broker = own.memoryBroker()
    own.createPublisher(broker)
    assert.throws(() => new other.WebSocketHub({ name: 'shared', broker }), { code: 'FST_BLAZE_WS_BROKER_IN_USE' })
    client.terminate()
    await Promise.all([...hubs, named].map((hub) => hub.shutdown(100)))
  },

  async origins() {
    process.env.NODE_ENV = 'production'
    await start(own, () => {}, other.defaultWebSocketConfig())
    assert.equal(logs.filter(({ msg }) => msg.includes('allow all origins')).length, 1)
    const { port } = await start(own, () => {}, { checkOrigin: other.sameOrigin() })
    const client = new WebSocket(`ws://127.0.0.1:${port}/ws`, { origin: 'https://evil.example' })
    await assert.rejects(once(client, 'open'), /403/)
    assert.equal(logs.find(({ origin }) => origin === 'https://evil.example').expected, `http://127.0.0.1:${port}`)
  },

  async contracts() {
    const input = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] }
    const contract = otherContract.defineContract({
      name: 'chat',
      fromServer: { said: input },
      calls: { rename: { input, errors: ['taken'] } }
    })
    const app = Fastify()
    apps.push(app)
    await app.register(own.default)
    const hub = new other.WebSocketHub()
    const rename = (_input, ws) => {
      assert.equal(hub.join(ws, 'room'), true)
      throw new otherContract.ContractError('taken')
    }
    app.webSocketWithContract('/ws', contract, { calls: { rename } })
    await app.listen({ port: 0, host: '127.0.0.1' })
    const client = new WebSocket(`ws://127.0.0.1:${app.server.address().port}/ws`)
    await once(client, 'open')
    const ask = async (params) => {
      client.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'rename', params }))
      const [data] = await once(client, 'message')
      return JSON.parse(data).error
    }
    assert.deepEqual(await ask({ name: 'ann' }), { code: -32000, message: 'taken', data: { code: 'taken' } })
    assert.equal((await ask({})).code, -32602)
    const heard = once(client, 'message')
    assert.equal(hub.to('room').broadcast(contract, 'said', { name: 'ann' }), 1)
    assert.equal(String((await heard)[0]), '{"jsonrpc":"2.0","method":"said","params":{"name":"ann"}}')
    client.terminate()
  },

  async registration() {
    const app = Fastify()
    apps.push(app)
    await app.register(async (scope) => scope.register(own.default))
    await assert.rejects(async () => app.register(async (scope) => scope.register(other.default)), {
      code: 'FST_BLAZE_WS_ALREADY_REGISTERED'
    })
  }
}

await scenarios[process.argv[2]]()
await Promise.all(apps.map((app) => app.close()))
process.stdout.write('done\n')
