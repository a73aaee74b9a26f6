import { NO_STATS } from '../support/route-stats.ts'
import type { WebSocketConnection } from '../../src/index.ts'
import { answerTo, call, openPlain, talk } from '../contract/support.ts'
import { closeServers, connect, eventually, startServer, type TestServer } from '../support/server.ts'

afterEach(closeServers)

/** An echo server. Its handler fails at `fail`; at `wait` it fails only because the connection is closed. */
function start(): Promise<TestServer> {
  return startServer((app) => {
    const echo = async (ws: WebSocketConnection): Promise<void> => {
      app.wsHub.register(ws)
      for await (const { data } of ws) {
        const text = data.toString()
        if (text === 'fail') throw new Error('the handler has failed')
        if (text === 'wait') for (;;) await ws.readMessage()
        await ws.writeText(text)
      }
    }
    app.webSocket('/rooms/:id', echo)
    app.webSocket('/other', echo, { preHandler: async (_, reply) => reply.code(403).send() })
    app.webSocketWithContract('/talk', talk, async (ws) => void (await ws.receive()), {
      calls: {
        echo: (input) => input,
        rename: (_, __, { fail }) => {
          throw fail('taken')
        },
        nothing: () => {
          throw new Error('the call has failed')
        }
      }
    })
  })
}

test('a server without clients has no numbers', async () => {
  const { app } = await start()
  expect(app.wsStats()).toEqual({
    total: NO_STATS,
    routes: {}
  })
})

test('the numbers are those that the clients have counted, while connections are open and afterwards', async () => {
  const { app, ws } = await start()
  const clients = await Promise.all(Array.from({ length: 20 }, (_, i) => connect(ws(`/rooms/${i}`))))
  const counted = { messagesIn: 0, messagesOut: 0, bytesIn: 0, bytesOut: 0 }
  const say = async (text: string): Promise<void> => {
    for (const client of clients) {
      if (client.closed !== undefined) continue
      client.socket.send(text)
      const answer = await client.next()
      counted.messagesIn++
      counted.bytesIn += Buffer.byteLength(text)
      counted.messagesOut++
      counted.bytesOut += Buffer.byteLength(answer) + 2
    }
  }
  await say('hello')
  await say('grüezi')
  expect(app.wsStats().routes['/rooms/:id']).toMatchObject({ open: 20, opened: 20, closed: {}, ...counted })
  for (const client of clients.slice(0, 10)) {
    client.socket.close(1000)
    await client.close()
    // The close frame of the server.
    counted.bytesOut += 4
  }
  await eventually(() => app.wsStats().total.open === 10)
  expect(app.wsStats().routes['/rooms/:id']).toMatchObject({ open: 10, closed: { '1000': 10 } })
  await say('more')
  const { open, opened, closed, messagesIn, messagesOut, bytesIn } = app.wsStats().total
  expect({ open, opened, closed }).toEqual({ open: 10, opened: 20, closed: { '1000': 10 } })
  expect({ messagesIn, messagesOut, bytesIn }).toMatchObject({
    messagesIn: counted.messagesIn,
    messagesOut: counted.messagesOut,
    bytesIn: counted.bytesIn
  })
})

test('the total is the sum of the routes', async () => {
  const { app, ws } = await start()
  await connect(ws('/rooms/1'))
  await expect(connect(ws('/other'))).rejects.toThrow('403')
  await expect(connect(ws('/nowhere'))).rejects.toThrow('404')
  await expect(connect(ws('/nowhere/else'))).rejects.toThrow('404')
  const talking = await openPlain(ws('/talk'))
  await answerTo(talking, call(1, 'echo', { text: 'hi' }))
  await eventually(() => app.wsStats().total.refused['404'] === 2)
  const { total, routes } = app.wsStats()
  expect(total).toMatchObject({ open: 2, opened: 2, refused: { '403': 1, '404': 2 }, messagesIn: 1, messagesOut: 1 })
  expect(Object.keys(routes).toSorted()).toEqual(['', '/other', '/rooms/:id', '/talk'])
  expect(routes['']?.refused).toEqual({ '404': 2 })
  expect(routes['/other']?.refused).toEqual({ '403': 1 })
})

test('errors are those of handlers and calls, and not the end of a connection', async () => {
  const { app, ws } = await start()
  const failing = await connect(ws('/rooms/1'))
  failing.socket.send('fail')
  expect(await failing.close()).toMatchObject({ code: 1011 })
  const leaving = await connect(ws('/rooms/1'))
  leaving.socket.send('wait')
  leaving.socket.send('more')
  leaving.socket.close()
  await leaving.close()
  const talking = await openPlain(ws('/talk'))
  const codeOf = async (method: string, params?: object): Promise<unknown> =>
    (await answerTo(talking, call(1, method, params))).error?.code
  expect(await codeOf('nothing')).toBe(-32603)
  expect(await codeOf('rename', { text: 'x' })).toBe(-32000)
  expect(await codeOf('echo', { text: 'x'.repeat(20) })).toBe(-32602)
  expect(await codeOf('unknown')).toBe(-32601)
  await eventually(() => app.wsStats().total.open === 1)
  const { routes } = app.wsStats()
  expect([routes['/rooms/:id']?.errors, routes['/talk']?.errors]).toEqual([1, 1])
})

test('what is returned is a copy', async () => {
  const { app, ws } = await start()
  await connect(ws('/rooms/1'))
  const stats = app.wsStats()
  stats.total.opened = 99
  stats.routes['/rooms/:id']!.refused['500'] = 99
  expect(app.wsStats().total).toMatchObject({ opened: 1, refused: {} })
})

test('clients, rooms and paths make no new keys', async () => {
  const { app, ws } = await start()
  for (let i = 0; i < 1_000; i++) {
    const client = await connect(ws(`/rooms/${i}`))
    client.socket.close(3_000 + 2 * i)
  }
  for (let i = 0; i < 50; i++) await expect(connect(ws(`/nowhere/${i}`))).rejects.toThrow('404')
  const one = await connect(ws('/rooms/1'))
  await eventually(() => app.wsHub.getClientCount() === 1)
  const [connection] = app.wsHub.getClients() as [WebSocketConnection]
  for (let i = 0; i < 10_000; i++) app.wsHub.join(connection, `room ${i}`)
  one.socket.terminate()
  await eventually(() => app.wsStats().total.open === 0)
  const { total, routes } = app.wsStats()
  expect(total.closed).toEqual({ '1006': 1, '3xxx': 500, '4xxx': 500 })
  expect(total.refused).toEqual({ '404': 50 })
  expect(Object.keys(routes).toSorted()).toEqual(['', '/rooms/:id'])
})

test('a close code of the server is counted as it is', async () => {
  const { app, ws } = await startServer((server) => {
    server.webSocket('/bye', (connection) => connection.close(4_321))
  })
  const client = await connect(ws('/bye'))
  await client.close()
  await eventually(() => app.wsStats().total.open === 0)
  expect(app.wsStats().total.closed).toEqual({ '4321': 1 })
})
