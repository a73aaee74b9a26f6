import { z } from 'zod'
import { defineContract } from '../../src/contract.ts'
import type { ContractConnection } from '../../src/index.ts'
import { closeServers, connect, startServer, type TestServer } from '../support/server.ts'
import { answerTo, call, event, frame, gate, next, openPlain, restOf, send, talk } from './support.ts'

/*
 * Contract routes as an application sees them.
 */

type Ws = ContractConnection<typeof talk>

const calls = { echo: async (input: { text: string }) => input, rename: () => {}, nothing: () => undefined }
const readAll = async (ws: Ws): Promise<void> => {
  for await (const _ of ws);
}
const said = { text: 'hi' }
const notice = defineContract({
  name: 'notice',
  fromServer: { said: z.object({ text: z.string(), at: z.date().optional() }) }
})

afterEach(closeServers)

/** A connection to the route `/talk`, on both sides. */
async function connected(): Promise<{ server: TestServer; ws: Ws; client: Awaited<ReturnType<typeof connect>> }> {
  const started = gate<Ws>()
  const server = await startServer((app) => {
    const handler = (ws: Ws): Promise<void> => {
      app.wsHub.register(ws)
      started.open(ws)
      return readAll(ws)
    }
    app.webSocketWithContract('/talk', talk, handler, { calls })
  })
  const client = await openPlain(server.ws('/talk'))
  return { server, client, ws: await started.promise }
}

// ---- Registration

test.each<[string, ...unknown[]]>([
  ['calls.nothing', talk, readAll, { calls: { ...calls, nothing: undefined } }],
  ['calls.more', talk, readAll, { calls: { ...calls, more: () => {} } }],
  ['needs a handler', talk, { calls }],
  ['defineContract', { name: 'talk' }, readAll],
  ['concurrency', talk, readAll, { calls, concurrency: 0 }],
  ['authenticate', talk, readAll, { calls, authenticate: 5 }],
  ['webSocket.unknown', talk, readAll, { calls, webSocket: { unknown: 1 } }]
])('a route that is wrong fails at registration and names %s', async (name, ...args) => {
  await startServer((app) => {
    const add = app.webSocketWithContract.bind(app) as unknown as (path: string, ...rest: unknown[]) => void
    expect(() => add('/a', ...args)).toThrow(name)
  })
})

test('a JSON Schema that cannot be compiled fails when the server starts', async () => {
  const bad = defineContract({
    name: 'bad',
    fromServer: { said: { type: 'object', properties: { a: { $ref: 'missing#' } } } }
  })
  await expect(startServer((app) => void app.webSocketWithContract('/bad', bad))).rejects.toThrow(
    /^The JSON Schema of fromServer\.said of \/bad cannot be compiled: .*missing/
  )
})

// ---- The handler

test('a contract without fromClient needs no handler, and stays open', async () => {
  const ping = defineContract({ name: 'ping', calls: { ping: {} } })
  const server = await startServer((app) => {
    app.webSocketWithContract('/none', ping, { calls: { ping: () => undefined } })
    app.webSocketWithContract('/one', ping, async () => {}, { calls: { ping: () => undefined } })
  })
  for (const path of ['/none', '/one']) {
    const client = await openPlain(server.ws(path))
    for (const id of [1, 2]) expect(await answerTo(client, call(id, 'ping'))).toEqual(frame({ id, result: null }))
  }
})

test('a contract with fromClient closes with 1000 once its handler has fulfilled', async () => {
  const server = await startServer((app) => {
    app.webSocketWithContract('/talk', talk, async (ws) => void (await ws.receive()), { calls })
  })
  const client = await openPlain(server.ws('/talk'))
  send(client, event('leave'))
  expect(await client.close()).toMatchObject({ code: 1000 })
})

test('a handler gets the parameters of the path and of the query', async () => {
  const started = gate<object>()
  const server = await startServer((app) => {
    const schema = { querystring: { type: 'object', properties: { limit: { type: 'integer' } } } }
    const handler = async ({ params, query, contract }: { params: unknown; query: unknown; contract: unknown }) =>
      started.open({ params, query, contract })
    app.webSocketWithContract('/talk/:room', talk, handler, { calls, schema })
  })
  await openPlain(server.ws('/talk/lobby?limit=5'))
  expect(await started.promise).toEqual({ params: { room: 'lobby' }, query: { limit: 5 }, contract: talk })
})

test('hooks of the route can refuse the upgrade', async () => {
  const server = await startServer((app) => {
    app.webSocketWithContract('/talk', talk, readAll, {
      calls,
      preHandler: async (_request, reply) => reply.code(403).send()
    })
  })
  await expect(openPlain(server.ws('/talk'))).rejects.toThrow('403')
})

test('a second receive while one waits is refused, and receive can be aborted', async () => {
  const { ws, client } = await connected()
  await expect(ws.receive()).rejects.toMatchObject({ code: 'FST_BLAZE_WS_CONCURRENT_READ' })
  send(client, event('leave'))
  expect(await answerTo(client, call(1, 'nothing'))).toHaveProperty('result')
})

// ---- Sending

test('send resolves, sendAsync returns true, and both send notifications', async () => {
  const { ws, client } = await connected()
  await ws.send('said', said)
  expect(ws.sendAsync('said', said)).toBe(true)
  expect(await next(client)).toEqual(event('said', said))
  expect(await next(client)).toEqual(event('said', said))
})

test('what does not fit is not sent', async () => {
  const { ws, client } = await connected()
  await expect(ws.send('said', { text: 'far too long' })).rejects.toThrow(TypeError)
  expect(() => ws.sendAsync('said', { text: 'far too long' })).toThrow(TypeError)
  await expect(ws.send('unknown' as 'said', said)).rejects.toThrow(TypeError)
  expect(await answerTo(client, call(1, 'nothing'))).toHaveProperty('id', 1)
})

test('what a schema does not list is dropped when it is sent, and the data stays as it is', async () => {
  const { ws, client } = await connected()
  const data = Object.freeze({ text: 'hi', secret: 'x' })
  await ws.send('said', data)
  expect(await next(client)).toEqual(event('said', said))
  expect(data).toEqual({ text: 'hi', secret: 'x' })
})

test('after the end send rejects and sendAsync returns false', async () => {
  const { ws } = await connected()
  await ws.close()
  await expect(ws.send('said', said)).rejects.toMatchObject({ closeCode: 1000 })
  expect(ws.sendAsync('said', said)).toBe(false)
  expect(ws.closeInfo).toMatchObject({ code: 1000 })
})

test('a Date of a Standard Schema arrives as a string', async () => {
  const server = await startServer((app) => {
    app.webSocketWithContract('/notice', notice, (ws) => ws.send('said', { text: 'hi', at: new Date(0) }))
  })
  const client = await openPlain(server.ws('/notice'))
  expect(await next(client)).toEqual(event('said', { text: 'hi', at: '1970-01-01T00:00:00.000Z' }))
})

// ---- What comes in

test('incoming data is treated like a body of Fastify: coerced, and without what is not listed', async () => {
  const { client } = await connected()
  expect(await answerTo(client, call(1, 'echo', { text: 5, more: 1 }))).toEqual(frame({ id: 1, result: { text: '5' } }))
})

test('an asynchronous Standard Schema keeps the order', async () => {
  const Slow = z.object({ ms: z.number() }).refine(async ({ ms }) => {
    await new Promise((resolve) => setTimeout(resolve, ms))
    return true
  })
  const slow = defineContract({ name: 'slow', fromClient: { wait: Slow }, fromServer: { done: Slow } })
  const heard = gate<number[]>()
  const server = await startServer((app) => {
    app.webSocketWithContract('/slow', slow, async (ws) => {
      expect(() => ws.sendAsync('done', { ms: 1 })).toThrow(TypeError)
      heard.open([(await ws.receive()).data.ms, (await ws.receive()).data.ms])
    })
  })
  const client = await openPlain(server.ws('/slow'))
  send(client, event('wait', { ms: 30 }))
  send(client, event('wait', { ms: 0 }))
  expect(await heard.promise).toEqual([30, 0])
})

// ---- The hub

test('a broadcast of a contract reaches contracts with its name and event, and raw connections', async () => {
  const other = defineContract({ name: 'other', fromServer: { said: z.object({ text: z.string() }) } })
  const silent = defineContract({ name: 'notice', fromServer: { other: null } })
  const server = await startServer((app) => {
    const add = (path: string, contract: unknown): unknown =>
      app.webSocketWithContract(path, contract as typeof notice, (ws) => void app.wsHub.join(ws, 'lobby'))
    add('/notice', notice)
    add('/other', other)
    add('/silent', silent)
    app.webSocket('/raw', async (ws) => {
      app.wsHub.join(ws, 'lobby')
      for await (const _ of ws);
    })
  })
  const paths = ['/notice', '/raw', '/other', '/silent']
  const clients = await Promise.all(paths.map((path) => openPlain(server.ws(path))))
  const hub = server.app.wsHub
  while (hub.getClientCount('lobby') < paths.length) await new Promise(setImmediate)
  hub.to('lobby').broadcast(notice, 'said', said)
  hub.broadcast('raw text')
  expect(() => hub.broadcast(notice, 'said', { text: 5 } as never)).toThrow(TypeError)
  await server.app.close()
  const received = await Promise.all(
    clients.map(async (client) => {
      await client.close()
      return client.messages.map(({ data }) => data)
    })
  )
  const text = JSON.stringify(event('said', said))
  expect(received).toEqual([[text], [text, 'raw text'], [], []])
})

test('hub methods take a connection of a contract, and give the one underneath', async () => {
  const { server, ws, client } = await connected()
  const hub = server.app.wsHub
  const [underneath] = hub.getClients()
  expect(underneath?.id).toBe(ws.id)
  hub.join(ws, 'a')
  expect(hub.rooms(ws)).toEqual(['a'])
  hub.broadcast(talk, 'said', said, { except: ws })
  hub.unregister(ws)
  expect(await restOf(client)).toEqual([])
})
