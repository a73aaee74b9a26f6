import * as prometheusIo from '@prometheus-io/client'
import Fastify from 'fastify'
import promClient from 'prom-client'
import { defineContract } from '../../src/contract.ts'
import blazeWs, { memoryBroker, MemoryEngine, WebSocketHub } from '../../src/index.ts'
import { prometheus, type PrometheusClient, type PrometheusOptions } from '../../src/prometheus.ts'
import { closeServers, connect, eventually, startServer, type TestClient, type TestServer } from '../support/server.ts'
import { scrape } from './support/scrape.ts'

afterEach(closeServers)

const contract = defineContract({
  name: 'counter',
  calls: {
    add: { input: { type: 'object', required: ['by'], properties: { by: { type: 'number' } } }, output: {} },
    fail: {},
    refuse: { errors: ['refused'] }
  }
})

interface Metered extends TestServer {
  registry: promClient.Registry
  /** The value of a series, `undefined` if there is none. */
  value(series: string): Promise<number | undefined>
}

async function startMetered(
  options: Partial<PrometheusOptions> = {},
  plugin: Parameters<typeof startServer>[1] = {}
): Promise<Metered> {
  const registry = new promClient.Registry()
  const server = await startServer(async (app) => {
    await app.register(prometheus, { client: promClient, registry, ...options })
    app.webSocket('/rooms/:room', async (ws) => {
      app.wsHub.join(ws, ws.context().param('room'))
      for await (const { data } of ws) await ws.writeText(String(data))
    })
    app.webSocket('/throws', () => {
      throw new Error('this route always fails')
    })
    app.webSocket('/locked', { onRequest: async (_request, reply) => reply.code(401).send() }, () => {})
    app.webSocketWithContract('/counter', contract, {
      calls: {
        add: (input) => input,
        fail: () => {
          throw new Error('this call always fails')
        },
        refuse: (_input, _ws, { fail }) => {
          throw fail('refused')
        }
      }
    })
  }, plugin)
  const value = async (series: string): Promise<number | undefined> => (await scrape(registry)).get(series)
  return { ...server, registry, value }
}

async function echo(client: TestClient, text: string): Promise<void> {
  client.socket.send(text)
  expect(await client.next()).toBe(text)
}

async function call(client: TestClient, method: string, params?: object): Promise<unknown> {
  client.socket.send(JSON.stringify({ jsonrpc: '2.0', id: method, method, params }))
  return JSON.parse(await client.next()) as unknown
}

async function leave(client: TestClient, code = 1000): Promise<void> {
  client.socket.close(code)
  await client.close()
}

test('connections, messages and bytes by route', async () => {
  const { value, ws } = await startMetered()
  const [ann, bob] = [await connect(ws('/rooms/one')), await connect(ws('/rooms/two'))]
  await echo(ann, 'hello')
  await echo(bob, 'hi')
  expect(await value('fastify_blaze_ws_connections{route="/rooms/:room"}')).toBe(2)
  expect(await value('fastify_blaze_ws_messages_total{direction="in",route="/rooms/:room"}')).toBe(2)
  expect(await value('fastify_blaze_ws_messages_total{direction="out",route="/rooms/:room"}')).toBe(2)
  expect(await value('fastify_blaze_ws_bytes_total{direction="in",route="/rooms/:room"}')).toBe(7)
  expect(await value('fastify_blaze_ws_hub_clients{hub="wsHub"}')).toBe(2)
  expect(await value('fastify_blaze_ws_hub_rooms{hub="wsHub"}')).toBe(2)
  await leave(ann)
  await eventually(async () => (await value('fastify_blaze_ws_connections{route="/rooms/:room"}')) === 1)
  expect(await value('fastify_blaze_ws_connections_opened_total{route="/rooms/:room"}')).toBe(2)
  expect(await value('fastify_blaze_ws_closed_total{code="1000",route="/rooms/:room"}')).toBe(1)
  expect(await value('fastify_blaze_ws_connection_duration_seconds_count{route="/rooms/:room"}')).toBe(1)
})

test('every scrape has the numbers of its time, also several at once', async () => {
  const { value, ws } = await startMetered()
  const client = await connect(ws('/rooms/one'))
  const messages = 'fastify_blaze_ws_messages_total{direction="in",route="/rooms/:room"}'
  for (const count of [1, 2, 3]) {
    await echo(client, 'hello')
    expect(await Promise.all([value(messages), value(messages)])).toEqual([count, count])
  }
})

test('refusals, errors and broadcasts', async () => {
  const { app, value, ws } = await startMetered()
  await expect(connect(ws('/locked'))).rejects.toThrow('401')
  await expect(connect(ws('/nowhere'))).rejects.toThrow('404')
  await (await connect(ws('/throws'))).close()
  const member = await connect(ws('/rooms/one'))
  await eventually(() => app.wsHub.getClientCount() === 1)
  app.wsHub.broadcast('hello')
  await member.next()
  expect(await value('fastify_blaze_ws_refused_total{route="/locked",status="401"}')).toBe(1)
  expect(await value('fastify_blaze_ws_refused_total{route="",status="404"}')).toBe(1)
  await eventually(async () => (await value('fastify_blaze_ws_closed_total{code="1011",route="/throws"}')) === 1)
  expect(await value('fastify_blaze_ws_errors_total{route="/throws"}')).toBe(1)
  expect(await value('fastify_blaze_ws_hub_messages_total{hub="wsHub"}')).toBe(1)
  expect(await value('fastify_blaze_ws_hub_bytes_total{hub="wsHub"}')).toBe(5)
})

test('calls by method and code', async () => {
  const { value, ws } = await startMetered()
  const client = await connect(ws('/counter'))
  await call(client, 'add', { by: 1 })
  await call(client, 'add', { by: 2 })
  await call(client, 'add', {})
  await call(client, 'fail')
  await call(client, 'refuse')
  await call(client, 'guess')
  const count = (labels: string): Promise<number | undefined> =>
    value(`fastify_blaze_ws_call_duration_seconds_count{${labels},route="/counter"}`)
  expect(await count('code="ok",method="add"')).toBe(2)
  expect(await count('code="-32602",method="add"')).toBe(1)
  expect(await count('code="-32603",method="fail"')).toBe(1)
  expect(await count('code="-32000",method="refuse"')).toBe(1)
})

test('further hubs, and the clusters of hubs with a broker', async () => {
  const engine = new MemoryEngine()
  const feed = new WebSocketHub({ name: 'feed', broker: memoryBroker({ engine }) })
  const other = new WebSocketHub({ name: 'feed', broker: memoryBroker({ engine }) })
  const { value } = await startMetered({ hubs: { feed } })
  await Promise.all([feed.cluster.ready(), other.cluster.ready()])
  feed.broadcast('hello')
  await eventually(async () => Number(await value('fastify_blaze_ws_cluster_published_total{hub="feed"}')) > 0)
  other.broadcast('hello')
  await eventually(async () => Number(await value('fastify_blaze_ws_cluster_received_total{hub="feed"}')) > 0)
  expect(await value('fastify_blaze_ws_cluster_degraded{hub="feed"}')).toBe(0)
  expect(await value('fastify_blaze_ws_cluster_missed_total{hub="feed"}')).toBe(0)
  expect(await value('fastify_blaze_ws_cluster_degraded{hub="wsHub"}')).toBeUndefined()
  await Promise.all([feed.shutdown(0), other.shutdown(0)])
})

test('clients cannot make series: rooms, ids, close codes, paths and methods are no labels', async () => {
  const { app, registry, ws } = await startMetered({}, { config: { maxControlFrames: 0 } })
  const use = async (n: number): Promise<void> => {
    await expect(connect(ws(`/nowhere/${n}`))).rejects.toThrow('404')
    await leave(await connect(ws(`/rooms/${n}`)), 3000 + n)
    const client = await connect(ws('/counter'))
    await call(client, `method${n}`)
    await call(client, 'add', { by: n })
    await leave(client, 4000 + n)
  }
  await use(0)
  const member = await connect(ws('/rooms/many'))
  await eventually(() => app.wsHub.getClientCount() === 1)
  const before = await scrape(registry)
  const [client] = app.wsHub.getClients()
  for (let n = 0; n < 10_000; n++) app.wsHub.join(client as never, `room ${n}`)
  for (let n = 1; n < 100; n++) await use(n)
  await eventually(() => app.wsHub.getClientCount() === 1)
  const after = await scrape(registry)
  expect([...after.keys()]).toEqual([...before.keys()])
  expect(after.get('fastify_blaze_ws_hub_rooms{hub="wsHub"}')).toBe(10_001)
  expect(after.get('fastify_blaze_ws_closed_total{code="3xxx",route="/rooms/:room"}')).toBe(100)
  await leave(member)
})

test('two servers of one process have their own numbers', async () => {
  const [one, two] = [await startMetered(), await startMetered()]
  const client = await connect(one.ws('/counter'))
  await call(client, 'add', { by: 1 })
  const calls = 'fastify_blaze_ws_call_duration_seconds_count{code="ok",method="add",route="/counter"}'
  expect([await one.value(calls), await two.value(calls)]).toEqual([1, undefined])
})

test('a server takes its metrics along when it closes', async () => {
  const { app, registry } = await startMetered({ prefix: 'chat_' })
  expect(registry.getMetricsAsArray().map(({ name }) => name)).toContain('chat_fastify_blaze_ws_connections')
  await app.close()
  expect(registry.getMetricsAsArray()).toEqual([])
})

test('a server that cannot have its metrics leaves those of another one alone', async () => {
  const { registry } = await startMetered()
  const names = registry.getMetricsAsArray().map(({ name }) => name)
  const app = Fastify()
  await app.register(blazeWs)
  await expect(app.register(prometheus, { client: promClient, registry })).rejects.toThrow('already been registered')
  await app.close()
  expect(registry.getMetricsAsArray().map(({ name }) => name)).toEqual(names)
})

describe.each<[string, PrometheusClient, () => promClient.Registry]>([
  ['prom-client', promClient, () => new promClient.Registry()],
  ['@prometheus-io/client', prometheusIo, () => new prometheusIo.Registry() as unknown as promClient.Registry]
])('%s', (_, client, create) => {
  test.each(['PROMETHEUS', 'OPENMETRICS'] as const)('in the format of %s', async (format) => {
    const registry = create()
    registry.setContentType(promClient.Registry[`${format}_CONTENT_TYPE`] as promClient.PrometheusContentType)
    const { app, ws } = await startMetered({ client, registry })
    const member = await connect(ws('/rooms/one'))
    await echo(member, 'hello')
    for (const _scrape of [1, 2]) {
      const text = await registry.metrics()
      expect(text).toContain('\nfastify_blaze_ws_connections{route="/rooms/:room"} 1\n')
      expect(text).toContain('\nfastify_blaze_ws_messages_total{route="/rooms/:room",direction="in"} 1\n')
    }
    await app.close()
    expect(await registry.getMetricsAsJSON()).toEqual([])
  })
})

test('a server whose metrics were cleared leaves those of a later one alone', async () => {
  const { app, registry } = await startMetered()
  registry.clear()
  await startMetered({ registry })
  const names = registry.getMetricsAsArray().map(({ name }) => name)
  expect(names).not.toEqual([])
  await app.close()
  expect(registry.getMetricsAsArray().map(({ name }) => name)).toEqual(names)
})

test('without a registry, the one of the client is used', async () => {
  const register = new promClient.Registry()
  const app = Fastify()
  await app.register(blazeWs)
  const { Counter, Gauge, Histogram } = promClient
  await app.register(prometheus, { client: { Counter, Gauge, Histogram, register } })
  expect(register.getSingleMetric('fastify_blaze_ws_connections')).toBeDefined()
  await app.close()
})

test.each<[string, Record<string, unknown>]>([
  ['"client": is required: the module prom-client or @prometheus-io/client', { client: undefined }],
  ['"client": must be the module prom-client or @prometheus-io/client', { client: {} }],
  ['"registry": must be a Registry of prom-client or @prometheus-io/client', { registry: {} }],
  ['"prefix": must be empty or begin a name of a metric', { prefix: 'a-b' }],
  ['"hubs.feed": must be a WebSocketHub', { hubs: { feed: {} } }],
  ['"hubs.wsHub": must be a WebSocketHub under another name than wsHub', { hubs: { wsHub: new WebSocketHub() } }],
  ['"hubs": must be an object', { hubs: [] }],
  ['"registery": is unknown; allowed are client, registry, prefix, hubs', { registery: {} }]
])('refuses %s', async (message, options) => {
  const app = Fastify()
  await app.register(blazeWs)
  const registered = app.register(prometheus, { client: promClient, registry: new promClient.Registry(), ...options })
  await expect(registered).rejects.toMatchObject({
    code: 'FST_BLAZE_WS_INVALID_OPTION',
    message: expect.stringContaining(message) as string
  })
  await app.close()
})

test('it needs the plugin', async () => {
  const app = Fastify()
  await expect(app.register(prometheus, { client: promClient })).rejects.toThrow("'fastify-blaze-ws' of plugin")
  await app.close()
})
