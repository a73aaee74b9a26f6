import { SpanKind } from '@opentelemetry/api'
import { Redis } from 'ioredis'
import { defineContract } from '../../src/contract.ts'
import { type Broker, type HistoryStore, memoryBroker, MemoryEngine, memoryHistory } from '../../src/index.ts'
import { openTelemetry } from '../../src/otel.ts'
import { redisBroker, redisHistory } from '../../src/redis.ts'
import { describeWith, Engine, REDIS } from '../cluster/support/engines.ts'
import { closeServers, connect, eventually, startServer, type TestClient, type TestServer } from '../support/server.ts'
import { idOf, placeOf, traceparentOf, Tracing } from './support/tracing.ts'

/*
 * One trace through two servers: a client calls one of them, and the other delivers what the call sends.
 */

let tracing: Tracing
beforeEach(() => {
  tracing = new Tracing()
})
afterEach(async () => {
  await closeServers()
  await tracing.end()
})

const text = { type: 'object', properties: { text: { type: 'string' } } } as const
const chat = defineContract({
  name: 'chat',
  fromServer: { said: text },
  calls: { say: { input: text }, keep: { input: text }, later: { input: text } }
})

const CLIENT = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 }

function startNode(broker: Broker, store: HistoryStore): Promise<TestServer> {
  return startServer(
    async (app) => {
      await app.register(openTelemetry)
      const say = (data: unknown): void => void app.wsHub.to('lobby').broadcast(chat, 'said', data as object)
      const keep = (data: unknown): Promise<unknown> => app.wsHub.to('lobby').publish(chat, 'said', data as object)
      app.webSocketWithContract(
        '/chat',
        chat,
        async (ws) => {
          app.wsHub.join(ws, 'lobby')
          for await (const _ of ws);
        },
        {
          calls: {
            say: (data) => say(data),
            keep: async (data) => void (await keep(data)),
            later: async (data) => {
              await new Promise((resolve) => setImmediate(resolve))
              say(data)
            }
          }
        }
      )
    },
    { hub: { broker, history: { store, size: 10 } } }
  )
}

interface Nodes {
  sender: TestClient
  receiver: TestClient
}

async function connectNodes(engine: () => { broker: Broker; store: HistoryStore }): Promise<Nodes> {
  const parts = [engine(), engine()]
  const nodes = await Promise.all(parts.map(({ broker, store }) => startNode(broker, store)))
  const [one, two] = nodes as [TestServer, TestServer]
  const headers = { traceparent: traceparentOf(CLIENT) }
  const sender = await connect(one.ws('/chat'), [], { headers })
  const receiver = await connect(two.ws('/chat'))
  for (const { app } of nodes) {
    await eventually(() => app.wsHub.getClientCount('lobby') === 1)
    await app.wsHub.cluster.ready()
  }
  return { sender, receiver }
}

function tests(engine: () => { broker: Broker; store: HistoryStore }): void {
  test.each([
    ['say', 'broadcast wsHub'],
    ['later', 'broadcast wsHub'],
    ['keep', 'publish wsHub']
  ])('the call %s on one node, and its delivery on the other', async (method, sent) => {
    const { sender, receiver } = await connectNodes(engine)
    sender.socket.send(
      JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { text: 'hi' }, traceparent: traceparentOf(CLIENT) })
    )
    expect(JSON.parse(await receiver.next())).toMatchObject({ method: 'said', params: { text: 'hi' } })
    const [call, producer, consumer] = [
      await tracing.span(method),
      await tracing.span(sent),
      await tracing.span('deliver wsHub')
    ]
    expect([call, producer, consumer].map((span) => placeOf(span).trace)).toEqual(Array(3).fill(CLIENT.traceId))
    expect(placeOf(call).parent).toBe(CLIENT.spanId)
    expect(placeOf(producer).parent).toBe(idOf(call))
    expect(placeOf(consumer).parent).toBe(idOf(producer))
    expect([producer.kind, consumer.kind]).toEqual([SpanKind.PRODUCER, SpanKind.CONSUMER])
    const handshake = tracing.named('GET /chat').find((span) => placeOf(span).trace === CLIENT.traceId)
    expect(placeOf(call).links).toEqual([handshake?.spanContext().spanId])
  })
}

describe('over memory', () => {
  let engine: MemoryEngine
  let store: HistoryStore
  beforeEach(() => {
    engine = new MemoryEngine()
    store = memoryHistory()
  })
  tests(() => ({ broker: memoryBroker({ engine }), store }))
})

describeWith(REDIS, 'over Redis', () => {
  let redis: Engine
  const clients: Redis[] = []
  beforeAll(async () => {
    redis = await Engine.redis()
  })
  afterEach(async () => {
    for (const client of clients.splice(0)) client.disconnect()
    const admin = new Redis({ port: redis.port })
    await admin.flushall()
    admin.disconnect()
  })
  afterAll(() => redis.close())
  tests(() => {
    const client = new Redis({ port: redis.port })
    clients.push(client)
    return { broker: redisBroker({ client }), store: redisHistory({ client }) }
  })
})
