import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { context, type SpanContext, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader
} from '@opentelemetry/sdk-metrics'
import { AlwaysOffSampler, ParentBasedSampler } from '@opentelemetry/sdk-trace-node'
import Fastify from 'fastify'
import { defineContract } from '../../src/contract.ts'
import blazeWs, { WebSocketHub } from '../../src/index.ts'
import { openTelemetry, type OpenTelemetryOptions } from '../../src/otel.ts'
import { closeServers, connect, eventually, startServer, type TestClient, type TestServer } from '../support/server.ts'
import { idOf, millisecondsOf, placeOf, traceparentOf, Tracing } from './support/tracing.ts'

let tracing: Tracing
beforeEach(() => {
  tracing = new Tracing()
})
afterEach(async () => {
  await closeServers()
  await tracing.end()
})

const contract = defineContract({
  name: 'counter',
  fromClient: { note: null },
  calls: { add: {}, fail: {}, refuse: { errors: ['refused'] } }
})

function startTraced(options: OpenTelemetryOptions = {}, onAdd: () => unknown = () => undefined): Promise<TestServer> {
  return startServer(async (app) => {
    await app.register(openTelemetry, options)
    app.webSocket('/rooms/:room', async (ws) => {
      app.wsHub.join(ws, ws.context().param('room'))
      for await (const { data } of ws) await ws.writeText(String(data))
    })
    app.webSocket('/locked', { preHandler: async (_request, reply) => reply.code(401).send() }, () => {})
    app.webSocket('/broken', { preHandler: async (_request, reply) => reply.code(500).send() }, () => {})
    app.webSocketWithContract(
      '/counter',
      contract,
      async (ws) => {
        for await (const _ of ws);
      },
      {
        calls: {
          add: () => {
            onAdd()
            return undefined
          },
          fail: () => {
            throw new Error('this call always fails')
          },
          refuse: (_input, _ws, { fail }) => {
            throw fail('refused')
          }
        }
      }
    )
  })
}

async function call(client: TestClient, method: string, traceparent?: string): Promise<void> {
  client.socket.send(
    JSON.stringify({ jsonrpc: '2.0', id: method, method, ...(traceparent !== undefined && { traceparent }) })
  )
  await client.next()
}

const REMOTE: SpanContext = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 }

describe('handshakes', () => {
  test('belong to the trace of their request, and end when the connection is open', async () => {
    const server = await startTraced()
    const before = Date.now()
    await connect(server.ws('/rooms/one'), [], { headers: { traceparent: traceparentOf(REMOTE) } })
    const span = await tracing.span('GET /rooms/:room')
    expect(placeOf(span)).toEqual({ trace: REMOTE.traceId, parent: REMOTE.spanId, links: [] })
    expect(span).toMatchObject({
      kind: SpanKind.SERVER,
      status: { code: SpanStatusCode.UNSET },
      attributes: { 'http.route': '/rooms/:room', 'http.response.status_code': 101 }
    })
    expect(millisecondsOf(span.startTime)).toBeGreaterThanOrEqual(before)
  })

  test('include the hooks of the route', async () => {
    let hasEnded = false
    const server = await startServer(async (app) => {
      await app.register(openTelemetry)
      app.webSocket(
        '/slow',
        {
          preHandler: async () => {
            const from = Date.now()
            await eventually(() => Date.now() > from + 20)
            hasEnded = tracing.names.length > 0
          }
        },
        () => {}
      )
    })
    await connect(server.ws('/slow'))
    const span = await tracing.span('GET /slow')
    expect(hasEnded).toBe(false)
    expect(millisecondsOf(span.duration)).toBeGreaterThanOrEqual(20)
  })

  test.each([
    ['/locked', 'GET /locked', 401, SpanStatusCode.UNSET],
    ['/broken', 'GET /broken', 500, SpanStatusCode.ERROR],
    ['/nowhere', 'GET', 404, SpanStatusCode.UNSET]
  ])('of %s end with the refusal', async (path, name, status, code) => {
    const server = await startTraced()
    await expect(connect(server.ws(path))).rejects.toThrow(String(status))
    expect(await tracing.span(name)).toMatchObject({
      status: { code },
      attributes: { 'http.response.status_code': status }
    })
  })

  test('of routes that were added before the plugin have one, too', async () => {
    const server = await startServer(async (app) => {
      app.webSocket('/early', () => {})
      await app.register(openTelemetry)
    })
    await connect(server.ws('/early'))
    expect((await tracing.span('GET /early')).attributes['http.response.status_code']).toBe(101)
  })

  test('ordinary requests have none', async () => {
    const server = await startTraced()
    await fetch(server.http('/rooms/one'))
    expect(tracing.names).toEqual([])
  })
})

describe('messages', () => {
  test('have a trace each, with a link to the handshake', async () => {
    const server = await startTraced()
    const client = await connect(server.ws('/rooms/one'))
    for (const text of ['one', 'two']) {
      client.socket.send(text)
      await client.next()
    }
    const handshake = await tracing.span('GET /rooms/:room')
    const [one, two] = tracing.named('receive /rooms/:room').map(placeOf)
    expect([one?.parent, two?.parent]).toEqual([undefined, undefined])
    expect([one?.links, two?.links]).toEqual([[idOf(handshake)], [idOf(handshake)]])
    expect(new Set([one?.trace, two?.trace, placeOf(handshake).trace]).size).toBe(3)
  })

  test('that are calls, and those turned off, have none', async () => {
    const server = await startTraced({ messages: false })
    const [raw, counter] = [await connect(server.ws('/rooms/one')), await connect(server.ws('/counter'))]
    raw.socket.send('hello')
    await raw.next()
    await call(counter, 'add')
    await tracing.span('add')
    expect(tracing.names.filter((name) => name.startsWith('receive'))).toEqual([])
  })
})

describe('events', () => {
  const send = async (server: TestServer, method: string, traceparent?: string): Promise<void> => {
    const client = await connect(server.ws('/counter'))
    client.socket.send(JSON.stringify({ jsonrpc: '2.0', method, traceparent }))
    // Events and calls are handled in their order.
    await call(client, 'add')
  }

  test.each([
    ['continue the trace of the client', traceparentOf(REMOTE)],
    ['begin a trace if the client has none', undefined],
    ['begin a trace if that of the client is not valid', 'nonsense']
  ])('%s, and link to the handshake', async (_, traceparent) => {
    const server = await startTraced()
    await send(server, 'note', traceparent)
    const [handshake, span] = [await tracing.span('GET /counter'), await tracing.span('receive note')]
    const { trace: id, parent, links } = placeOf(span)
    expect(links).toEqual([idOf(handshake)])
    expect(parent).toBe(traceparent === traceparentOf(REMOTE) ? REMOTE.spanId : undefined)
    expect(id === REMOTE.traceId).toBe(traceparent === traceparentOf(REMOTE))
    expect(span).toMatchObject({
      kind: SpanKind.CONSUMER,
      attributes: { 'messaging.system': 'websocket', 'http.route': '/counter', 'fastify_blaze_ws.event': 'note' }
    })
  })

  test('that the contract does not have, and those turned off, have none', async () => {
    await send(await startTraced(), 'unknown')
    await send(await startTraced({ messages: false }), 'note', traceparentOf(REMOTE))
    expect(tracing.names.filter((name) => name.startsWith('receive'))).toEqual([])
  })

  test('have one if their trace is sampled and the handshake was not', async () => {
    await tracing.end()
    tracing = new Tracing(new ParentBasedSampler({ root: new AlwaysOffSampler() }))
    const server = await startTraced()
    await send(server, 'note')
    await send(server, 'note', traceparentOf(REMOTE))
    expect(placeOf(await tracing.span('receive note'))).toEqual({
      trace: REMOTE.traceId,
      parent: REMOTE.spanId,
      links: []
    })
  })
})

describe('calls', () => {
  test('continue the trace of the client, link to the handshake, and are the context of their function', async () => {
    let active: SpanContext | undefined
    const server = await startTraced({}, () => (active = trace.getActiveSpan()?.spanContext()))
    const client = await connect(server.ws('/counter'))
    await call(client, 'add', traceparentOf(REMOTE))
    const [handshake, span] = [await tracing.span('GET /counter'), await tracing.span('add')]
    expect(placeOf(span)).toEqual({ trace: REMOTE.traceId, parent: REMOTE.spanId, links: [idOf(handshake)] })
    expect(active?.spanId).toBe(idOf(span))
    expect(span).toMatchObject({
      kind: SpanKind.SERVER,
      status: { code: SpanStatusCode.UNSET },
      attributes: { 'rpc.system': 'jsonrpc', 'rpc.method': 'add', 'http.route': '/counter' }
    })
  })

  test.each([undefined, 'nonsense'])('with the traceparent %s begin a trace', async (traceparent) => {
    const server = await startTraced()
    await call(await connect(server.ws('/counter')), 'add', traceparent)
    const [handshake, span] = [await tracing.span('GET /counter'), await tracing.span('add')]
    expect(placeOf(span)).toMatchObject({ parent: undefined, links: [idOf(handshake)] })
    expect(placeOf(span).trace).not.toBe(placeOf(handshake).trace)
  })

  test.each([
    ['fail', -32_603],
    ['refuse', -32_000]
  ])('%s is an error with the code %s', async (method, code) => {
    const server = await startTraced()
    await call(await connect(server.ws('/counter')), method)
    expect(await tracing.span(method)).toMatchObject({
      status: { code: SpanStatusCode.ERROR },
      attributes: { 'rpc.jsonrpc.error_code': code, 'error.type': String(code) }
    })
  })
})

describe('broadcasts', () => {
  test('belong to what is going on where they are sent', async () => {
    const { app } = await startTraced()
    const parent = tracing.provider.getTracer('test').startSpan('request')
    context.with(trace.setSpan(context.active(), parent), () => app.wsHub.to('one').broadcast('hello'))
    const span = await tracing.span('broadcast wsHub')
    expect(placeOf(span)).toMatchObject({ trace: parent.spanContext().traceId, parent: parent.spanContext().spanId })
    expect(span).toMatchObject({
      kind: SpanKind.PRODUCER,
      attributes: {
        'messaging.destination.name': 'one',
        'messaging.message.body.size': 5,
        'fastify_blaze_ws.hub': 'wsHub'
      }
    })
  })

  test('of hubs that are not named have none', async () => {
    const [feed, unknown] = [new WebSocketHub(), new WebSocketHub()]
    await startTraced({ hubs: { feed } })
    feed.broadcast('hello')
    unknown.broadcast('hello')
    expect(tracing.names).toEqual(['broadcast feed'])
  })
})

test('two servers of one process have one span each, and a closed one has none', async () => {
  const one = await startTraced()
  const two = await startTraced()
  await call(await connect(one.ws('/counter')), 'add')
  two.app.wsHub.broadcast('hello')
  expect(tracing.names.toSorted()).toEqual(['GET /counter', 'add', 'broadcast wsHub'])
  await two.app.close()
  two.app.wsHub.broadcast('hello')
  expect(tracing.named('broadcast wsHub')).toHaveLength(1)
})

test.each<[OpenTelemetryOptions['messages'] & {}, number]>([
  ['sampled', 4],
  [true, 5]
])('what is not sampled has no spans and no attributes (messages: %s)', async (messages, count) => {
  await tracing.end()
  tracing = new Tracing(new ParentBasedSampler({ root: new AlwaysOffSampler() }))
  let isRecording: boolean | undefined
  let server: TestServer
  const onAdd = (): void => {
    isRecording = trace.getActiveSpan()?.isRecording()
    server.app.wsHub.broadcast('hello')
  }
  const started: { isRecording: boolean; hasAttributes: boolean }[] = []
  const tracer = tracing.provider.getTracer('test')
  const watched: typeof tracer = Object.create(tracer, {
    startSpan: {
      value: (...args: Parameters<typeof tracer.startSpan>) => {
        const span = tracer.startSpan(...args)
        const entry = { isRecording: span.isRecording(), hasAttributes: args[1]?.attributes !== undefined }
        started.push(entry)
        const noted = (): typeof span => {
          entry.hasAttributes = true
          return span
        }
        return Object.assign(Object.create(span), { setAttribute: noted, setAttributes: noted }) as typeof span
      }
    }
  })
  server = await startTraced({ tracer: watched, messages }, onAdd)
  const traceparents: unknown[] = []
  const note = (message: unknown): void => void traceparents.push((message as { traceparent: unknown }).traceparent)
  subscribe('fastify-blaze-ws:broadcast', note)
  const [client, raw] = [await connect(server.ws('/counter')), await connect(server.ws('/rooms/one'))]
  await call(client, 'add')
  expect(await raw.next()).toBe('hello')
  raw.socket.send('hello')
  await raw.next()
  unsubscribe('fastify-blaze-ws:broadcast', note)
  expect([isRecording, traceparents]).toEqual([false, [undefined]])
  expect(started).toEqual(Array.from({ length: count }, () => ({ isRecording: false, hasAttributes: false })))
  expect(tracing.names).toEqual([])
})

test('metrics are those for Prometheus', async () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.DELTA)
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 1e9 })
  const meters = new MeterProvider({ readers: [reader] })
  const { app, ws } = await startTraced({ meter: meters.getMeter('test') })
  const client = await connect(ws('/rooms/one'))
  client.socket.send('hello')
  await client.next()
  await call(await connect(ws('/counter')), 'add')
  await reader.forceFlush()
  const exported = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
  const points = (name: string): unknown[] =>
    exported
      .filter(({ descriptor }) => descriptor.name === `fastify_blaze_ws.${name}`)
      .flatMap(({ dataPoints }) => dataPoints.map(({ attributes, value }) => [attributes, value]))
  expect(points('connections')).toEqual([
    [{ route: '/rooms/:room' }, 1],
    [{ route: '/counter' }, 1]
  ])
  expect(points('messages')).toContainEqual([{ route: '/rooms/:room', direction: 'in' }, 1])
  expect(points('hub.clients')).toEqual([[{ hub: 'wsHub' }, 1]])
  expect(points('call.duration')).toEqual([
    [{ route: '/counter', method: 'add', code: 'ok' }, expect.objectContaining({ count: 1 })]
  ])
  await app.close()
  exporter.reset()
  await reader.forceFlush()
  const left = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
  expect(left.map(({ descriptor }) => descriptor.name)).not.toContain('fastify_blaze_ws.connections')
  await meters.shutdown()
})

test.each<[string, Record<string, unknown>]>([
  ['"tracer": must be a Tracer of @opentelemetry/api', { tracer: {} }],
  ['"meter": must be a Meter of @opentelemetry/api', { meter: {} }],
  [`"messages": must be 'sampled' or a boolean`, { messages: 1 }],
  ['"hubs.feed": must be a WebSocketHub', { hubs: { feed: {} } }],
  ['"spans": is unknown; allowed are tracer, meter, messages, hubs', { spans: false }]
])('refuses %s', async (message, options) => {
  const app = Fastify()
  await app.register(blazeWs)
  await expect(app.register(openTelemetry, options)).rejects.toMatchObject({
    code: 'FST_BLAZE_WS_INVALID_OPTION',
    message: expect.stringContaining(message) as string
  })
  await app.close()
})

test('without an SDK it does nothing', async () => {
  await tracing.end()
  const server = await startTraced()
  const client = await connect(server.ws('/rooms/one'))
  client.socket.send('hello')
  expect(await client.next()).toBe('hello')
  expect(tracing.names).toEqual([])
})
