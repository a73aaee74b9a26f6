import { AsyncLocalStorage } from 'node:async_hooks'
import { WebSocket } from 'ws'
import { connect as connectClient } from '../../src/client.ts'
import { answerTo, call, frame, openPlain, talk } from '../contract/support.ts'
import { closeServers, startServer, type TestServer } from '../support/server.ts'
import { listen, messagesOf, stopListening } from './support.ts'

const clients: { close(): void }[] = []
afterEach(async () => {
  stopListening()
  for (const client of clients.splice(0)) client.close()
  await closeServers()
})

const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
const context = new AsyncLocalStorage<string>()

/** Its call `echo` answers with what is in the context. */
function start(): Promise<TestServer> {
  return startServer((app) => {
    app.webSocketWithContract(
      '/talk/:id',
      talk,
      async (ws) => {
        for await (const message of ws) void message
      },
      {
        calls: {
          echo: async ({ text }) => {
            await new Promise((resolve) => setImmediate(resolve))
            return { text: context.getStore() ?? text }
          },
          rename: (_, __, { fail }) => {
            throw fail('taken')
          },
          nothing: () => {
            throw new Error('the call has failed')
          }
        }
      }
    )
  })
}

test('a call is observed with its method and id, until its answer', async () => {
  const calls = messagesOf('call')
  const opened = messagesOf('connection.open')
  const { ws } = await start()
  const client = await openPlain(ws('/talk/1'))
  await answerTo(client, call(7, 'echo', { text: 'hi' }))
  await answerTo(client, call('x', 'echo', { text: 'x'.repeat(11) }))
  await answerTo(client, call(null, 'rename', { text: 'a' }))
  await answerTo(client, call(8, 'nothing'))
  expect(calls.map(({ route, method, id, traceparent }) => ({ route, method, id, traceparent }))).toEqual([
    { route: '/talk/:id', method: 'echo', id: 7, traceparent: undefined },
    { route: '/talk/:id', method: 'echo', id: 'x', traceparent: undefined },
    { route: '/talk/:id', method: 'rename', id: null, traceparent: undefined },
    { route: '/talk/:id', method: 'nothing', id: 8, traceparent: undefined }
  ])
  const ends = await Promise.all(calls.map(({ done }) => done))
  expect(ends.map(({ code }) => code)).toEqual([undefined, -32602, -32000, -32603])
  expect(calls[0]?.ws).toBe(opened[0]?.ws)
})

test('methods that the contract does not have are not observed', async () => {
  const calls = messagesOf('call')
  const { ws } = await start()
  const client = await openPlain(ws('/talk/1'))
  for (let i = 0; i < 20; i++) await answerTo(client, call(1, `unknown${i}`))
  await answerTo(client, call(1, 'rpc.ping'))
  expect(calls).toEqual([])
})

test('a subscriber can run the call in a context of its own, and another around it', async () => {
  const order: string[] = []
  for (const name of ['inner', 'outer'])
    listen('call', (message) => {
      const { run } = message
      message.run = (handler) => {
        order.push(name)
        return context.run(name, () => run(handler))
      }
    })
  const { ws } = await start()
  const client = await openPlain(ws('/talk/1'))
  expect(await answerTo(client, call(1, 'echo', { text: 'hi' }))).toEqual(frame({ id: 1, result: { text: 'inner' } }))
  expect(order).toEqual(['outer', 'inner'])
})

test('an error of run is an error of the call', async () => {
  const calls = messagesOf('call')
  listen('call', (message) => {
    message.run = () => {
      throw new Error('the subscriber has failed')
    }
  })
  const { ws, app } = await start()
  const client = await openPlain(ws('/talk/1'))
  expect(await answerTo(client, call(1, 'echo', { text: 'hi' }))).toMatchObject({ error: { code: -32603 } })
  expect(await calls[0]?.done).toEqual({ code: -32603 })
  expect(app.wsStats().total.errors).toBe(1)
})

test('an event is observed before the handler gets it, if the contract has it and its data fits', async () => {
  const events = messagesOf('event')
  const opened = messagesOf('connection.open')
  const { ws } = await start()
  const client = await openPlain(ws('/talk/1'))
  const sent = [
    { method: 'say', params: { text: 'hi' }, traceparent: TRACE },
    { method: 'leave' },
    { method: 'say', params: { text: 'x'.repeat(11) } },
    { method: 'unknown' },
    { method: 'rpc.ping' },
    { method: 'leave', traceparent: [TRACE] }
  ]
  for (const members of sent) client.socket.send(JSON.stringify(frame(members)))
  client.socket.send(JSON.stringify([frame({ method: 'leave', traceparent: TRACE })]))
  await answerTo(client, call(1, 'echo', { text: 'hi' }))
  const connection = opened[0]?.ws
  expect(connection).toBeDefined()
  expect(events).toEqual([
    { ws: connection, route: '/talk/:id', event: 'say', traceparent: TRACE },
    { ws: connection, route: '/talk/:id', event: 'leave', traceparent: undefined },
    { ws: connection, route: '/talk/:id', event: 'leave', traceparent: undefined },
    { ws: connection, route: '/talk/:id', event: 'leave', traceparent: TRACE }
  ])
})

describe('traceparent', () => {
  test.each<[string, unknown, string | undefined]>([
    ['a valid one', TRACE, TRACE],
    ['one that is not sampled', TRACE.replace(/01$/, '00'), TRACE.replace(/01$/, '00')],
    ['one of a later version', TRACE.replace(/^00/, 'cc'), TRACE.replace(/^00/, 'cc')],
    ['the invalid version', TRACE.replace(/^00/, 'ff'), undefined],
    ['capital letters', TRACE.toUpperCase(), undefined],
    ['a trace id of zeros', `00-${'0'.repeat(32)}-b7ad6b7169203331-01`, undefined],
    ['a span id of zeros', `00-0af7651916cd43dd8448eb211c80319c-${'0'.repeat(16)}-01`, undefined],
    ['something after it', `${TRACE}\n`, undefined],
    ['no string', [TRACE], undefined]
  ])('of a call: %s', async (_, sent, expected) => {
    const calls = messagesOf('call')
    const { ws } = await start()
    const client = await openPlain(ws('/talk/1'))
    const request = { ...call(1, 'echo', { text: 'hi' }), traceparent: sent }
    expect(await answerTo(client, request)).toEqual(frame({ id: 1, result: { text: 'hi' } }))
    expect(await answerTo(client, [request])).toEqual([frame({ id: 1, result: { text: 'hi' } })])
    expect(calls.map(({ traceparent }) => traceparent)).toEqual([expected, expected])
  })

  test('of the client is asked for with each call and event, and sent along', async () => {
    const [calls, events] = [messagesOf('call'), messagesOf('event')]
    const sizes: number[] = []
    listen('message.in', ({ bytes }) => sizes.push(bytes))
    const { ws } = await start()
    let trace: string | undefined
    const client = connectClient(talk, { url: ws('/talk/1'), WebSocket, traceparent: () => trace })
    clients.push(client)
    await client.ready()
    sizes.length = 0
    await client.call('echo', { text: 'hi' })
    await client.send('say', { text: 'hi' })
    trace = TRACE
    await client.call('echo', { text: 'hi' })
    await client.send('say', { text: 'hi' })
    await client.call('echo', { text: 'hi' })
    expect(calls.map(({ traceparent }) => traceparent)).toEqual([undefined, TRACE, TRACE])
    expect(events.map(({ traceparent }) => traceparent)).toEqual([undefined, TRACE])
    const member = `,"traceparent":"${TRACE}"`.length
    expect([sizes[2]! - sizes[0]!, sizes[3]! - sizes[1]!]).toEqual([member, member])
  })

  test.each([
    ['a function', () => TRACE],
    ['a promise', Promise.resolve(TRACE)],
    ['a bigint', 1n]
  ])('of the client that is %s breaks no call', async (_, wrong) => {
    const { ws } = await start()
    const client = connectClient(talk, {
      url: ws('/talk/1'),
      WebSocket,
      traceparent: () => wrong as never,
      timeout: 2_000
    })
    clients.push(client)
    await client.ready()
    expect(await client.call('echo', { text: 'hi' })).toEqual({ text: 'hi' })
  })

  test('of the client must be a function', () => {
    expect(() => connectClient(talk, { url: 'ws://localhost', traceparent: TRACE as never, WebSocket })).toThrow(
      'the option traceparent must be a function'
    )
  })
})
