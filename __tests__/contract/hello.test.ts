import type { FastifyInstance } from 'fastify'
import type { ContractConnection } from '../../src/index.ts'
import { closeServers, connect, startServer, type TestServer } from '../support/server.ts'
import {
  answerTo,
  call,
  event,
  frame,
  gate,
  next,
  openBlaze,
  openPlain,
  openSilent,
  restOf,
  send,
  talk
} from './support.ts'

/*
 * The methods of the subprotocol, and `authenticate`.
 */

type Ws = ContractConnection<typeof talk>
interface Route {
  authenticate?: (auth: unknown, ws: unknown) => unknown
  handler?: (ws: Ws) => void
  webSocket?: object
}

const calls = { echo: async (input: { text: string }) => input, rename: () => {}, nothing: () => undefined }

/** A route that reads its events and does nothing with them. */
function start({ handler, authenticate, webSocket = {} }: Route = {}): Promise<TestServer> {
  return startServer((app: FastifyInstance) => {
    const options = { calls, webSocket, ...(authenticate && { authenticate }) }
    app.webSocketWithContract(
      '/talk',
      talk,
      async (ws) => {
        handler?.(ws)
        for await (const _ of ws);
      },
      options
    )
  })
}

const hello = (params?: object): object => call('h', 'rpc.hello', params)
const ECHO = call('e', 'echo', { text: 'x' })
const ECHOED = frame({ id: 'e', result: { text: 'x' } })

afterEach(async () => {
  jest.useRealTimers()
  await closeServers()
})

// ---- The hello

test('hello is answered with the id of the connection and the heartbeat', async () => {
  const started = gate<Ws>()
  const server = await start({ handler: started.open, webSocket: { pingInterval: 12_000 } })
  const client = await openSilent(server.ws('/talk'))
  const answer = await answerTo(client, hello())
  const { id } = await started.promise
  expect(answer).toEqual(frame({ id: 'h', result: { connection: id, heartbeat: 12_000 } }))
})

test('blaze.v1 wins over the subprotocols of the route, which are for other clients', async () => {
  const server = await start({ webSocket: { subprotocols: ['other'] } })
  const protocol = async (offered: string[]) => (await connect(server.ws('/talk'), offered)).socket.protocol
  expect(await protocol(['other', 'blaze.v1'])).toBe('blaze.v1')
  expect(await protocol(['other'])).toBe('other')
})

test.each([
  ['a call', ECHO],
  ['an event', event('leave')],
  ['a ping', call(1, 'rpc.ping')],
  ['a notification', event('rpc.hello')],
  ['no JSON', '{'],
  ['a batch', [hello()]],
  ['a batch with more', [hello(), ECHO]],
  ['params that are an array', call(1, 'rpc.hello', [])],
  ['params that are null', call(1, 'rpc.hello', null)],
  ['an id that is not allowed', call({}, 'rpc.hello')]
])('the first frame must be a hello, and is %s: 1008', async (_, first) => {
  const server = await start()
  const client = await openSilent(server.ws('/talk'))
  send(client, first)
  expect(await restOf(client)).toEqual([event('rpc.goodbye', { reconnect: false })])
  expect(client.closed?.code).toBe(1008)
})

test('a binary first frame closes with 1003', async () => {
  const server = await start()
  const client = await openSilent(server.ws('/talk'))
  client.socket.send(Buffer.from(JSON.stringify(hello())))
  expect(await client.close()).toMatchObject({ code: 1003 })
})

test('a client has 10 s for its hello, and may come back after that', async () => {
  const server = await start()
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance', 'Date'] })
  const clients = [await openSilent(server.ws('/talk')), await openSilent(server.ws('/talk'))] as const
  jest.advanceTimersByTime(9_999)
  expect(await answerTo(clients[0], hello())).toHaveProperty('result')
  jest.advanceTimersByTime(1)
  jest.useRealTimers()
  // Its network may have stood still: it has broken no rule.
  expect(await restOf(clients[1])).toEqual([event('rpc.goodbye', { reconnect: true })])
  expect(clients[1].closed).toEqual({ code: 1008, reason: 'no hello in time' })
  expect(await answerTo(clients[0], ECHO)).toEqual(ECHOED)
})

test.each([
  ['alone', hello()],
  ['in a batch', [hello()]],
  ['after a call in a batch', [ECHO, hello()]]
])('a second hello closes with 1008: %s', async (_, second) => {
  const server = await start()
  const client = await openBlaze(server.ws('/talk'))
  send(client, second)
  expect(await client.close()).toMatchObject({ code: 1008 })
})

const position = { epoch: 'e', offset: 0 }
const positions = (count: number): object => Object.fromEntries(Array.from({ length: count }, (_, n) => [n, position]))
const MAX_AUTH = 16 * 1024

test.each([
  ['auth of 16 KiB', { auth: 'x'.repeat(MAX_AUTH - 2) }],
  ['auth null', { auth: null }],
  ['100 positions', { positions: positions(100) }],
  ['an epoch of 64 characters', { positions: { a: { epoch: 'e'.repeat(64), offset: Number.MAX_SAFE_INTEGER } } }],
  ['unknown members', { later: true }]
])('hello may have %s', async (_, params) => {
  const server = await start()
  const client = await openSilent(server.ws('/talk'))
  expect(await answerTo(client, hello(params))).toHaveProperty('result')
})

test.each([
  ['auth over 16 KiB', { auth: 'x'.repeat(MAX_AUTH - 1) }],
  ['auth over 16 KiB in bytes', { auth: 'ü'.repeat(MAX_AUTH / 2) }],
  ['101 positions', { positions: positions(101) }],
  ['positions that are an array', { positions: [position] }],
  ['positions that are null', { positions: null }],
  ['a position that is null', { positions: { a: null } }],
  ['an epoch of 65 characters', { positions: { a: { epoch: 'e'.repeat(65), offset: 0 } } }],
  ['an epoch that is no string', { positions: { a: { epoch: 1, offset: 0 } } }],
  ['an offset that is no integer', { positions: { a: { epoch: 'e', offset: 0.5 } } }],
  ['an offset that is unsafe', { positions: { a: { epoch: 'e', offset: 2 ** 53 } } }],
  ['an offset that is text', { positions: { a: { epoch: 'e', offset: '1' } } }]
])('hello must not have %s', async (_, params) => {
  const server = await start()
  const client = await openSilent(server.ws('/talk'))
  send(client, hello(params))
  expect(await client.close()).toMatchObject({ code: 1008 })
})

// ---- authenticate

test('authenticate gets what the client sends, and its result is ws.auth', async () => {
  const started = gate<Ws>()
  const server = await start({ authenticate: async (auth) => ({ verified: auth }), handler: started.open })
  await openBlaze(server.ws('/talk'), { auth: { token: 't' } })
  expect((await started.promise).auth).toEqual({ verified: { token: 't' } })
})

test('authenticate gets undefined from a client that knows no hello', async () => {
  const started = gate<Ws>()
  const server = await start({ authenticate: (auth) => ({ verified: auth }), handler: started.open })
  await openPlain(server.ws('/talk'))
  expect((await started.promise).auth).toEqual({ verified: undefined })
})

test('without authenticate, ws.auth is what the client has sent', async () => {
  const started = gate<Ws>()
  const server = await start({ handler: started.open })
  await openBlaze(server.ws('/talk'), { auth: 'unverified' })
  expect((await started.promise).auth).toBe('unverified')
})

test('hello and a call in one packet: the call waits for authenticate', async () => {
  const asked = gate()
  const verified = gate()
  const order: string[] = []
  const authenticate = async (): Promise<void> => {
    asked.open()
    await verified.promise
    order.push('authenticated')
  }
  const server = await start({ authenticate, handler: () => void order.push('handler') })
  const client = await openSilent(server.ws('/talk'))
  ;(client.socket as unknown as { _socket: { cork(): void; uncork(): void } })._socket.cork()
  send(client, hello())
  send(client, ECHO)
  ;(client.socket as unknown as { _socket: { cork(): void; uncork(): void } })._socket.uncork()
  await asked.promise
  expect(client.messages).toEqual([])
  verified.open()
  expect(await next(client)).toHaveProperty('result.connection')
  expect(await next(client)).toEqual(ECHOED)
  expect(order).toEqual(['authenticated', 'handler'])
})

test('a second hello while authenticate waits', async () => {
  const verified = gate()
  const server = await start({ authenticate: () => verified.promise })
  const client = await openSilent(server.ws('/talk'))
  send(client, hello())
  send(client, hello())
  verified.open()
  expect(await client.close()).toMatchObject({ code: 1008 })
})

test.each([
  [
    'throws',
    () => {
      throw new Error('a secret')
    }
  ],
  ['rejects', () => Promise.reject(new Error('a secret'))]
])('authenticate that %s: hello gets an error, and the connection closes with 4401', async (_, authenticate) => {
  const handler = jest.fn()
  const server = await start({ authenticate, handler })
  const client = await openSilent(server.ws('/talk'))
  send(client, hello({ auth: 'wrong' }))
  send(client, ECHO)
  expect(await restOf(client)).toEqual([
    frame({ id: 'h', error: { code: expect.any(Number), message: 'unauthorized', data: { code: 'unauthorized' } } }),
    event('rpc.goodbye', { reconnect: true })
  ])
  expect(client.closed?.code).toBe(4401)
  expect(handler).not.toHaveBeenCalled()
})

test('authenticate that throws closes other clients with 4401, and they see nothing else', async () => {
  const server = await start({ authenticate: () => Promise.reject(new Error('no')) })
  const client = await openPlain(server.ws('/talk'))
  expect(await restOf(client)).toEqual([])
  expect(client.closed?.code).toBe(4401)
})

// ---- rpc.ping, rpc.error and other clients

test('a ping is answered at once, also while a call runs', async () => {
  const answer = gate()
  const server = await startServer((app) => {
    app.webSocketWithContract('/talk', talk, async (ws) => void (await ws.receive()), {
      calls: { ...calls, nothing: () => answer.promise as Promise<undefined> }
    })
  })
  const client = await openBlaze(server.ws('/talk'))
  send(client, call(1, 'nothing'))
  expect(await answerTo(client, call(2, 'rpc.ping'))).toEqual(frame({ id: 2, result: {} }))
  expect(await answerTo(client, [call(3, 'rpc.ping')])).toEqual([frame({ id: 3, result: {} })])
  answer.open()
  expect(await next(client)).toEqual(frame({ id: 1, result: null }))
})

test('a server that has nothing to say pings', async () => {
  const server = await start({ webSocket: { pingInterval: 100, pongTimeout: 0 } })
  const client = await openBlaze(server.ws('/talk'))
  expect(await next(client)).toEqual(event('rpc.ping'))
  expect(await next(client)).toEqual(event('rpc.ping'))
})

test.each(['rpc.hello', 'rpc.ping'])('other clients have no %s', async (method) => {
  const server = await start()
  const client = await openPlain(server.ws('/talk'))
  expect(await answerTo(client, call(1, method))).toMatchObject({ id: 1, error: { code: -32_601 } })
  expect(await answerTo(client, [call(1, method)])).toMatchObject([{ id: 1, error: { code: -32_601 } }])
})
