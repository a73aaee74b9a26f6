import type { ConnectionEvents } from '../../src/connection/events.ts'
import type { WebSocketConnection } from '../../src/index.ts'
import { closeServers, connect, eventually, startServer } from '../support/server.ts'

afterEach(closeServers)

test('each connection event reaches every observer once, with its counts', async () => {
  const seen: unknown[] = []
  let first: WebSocketConnection | undefined
  const { app, ws } = await startServer((server) => {
    server.webSocket(
      '/:name',
      async (connection) => {
        first ??= connection
        server.wsHub.join(connection, connection.context().param('name'))
        for await (const { data } of connection) await connection.writeText(`got ${data.toString()}`)
      },
      {
        preValidation: async (request, reply) => {
          if ((request.params as { name: string }).name === 'stranger') await reply.code(401).send()
        }
      }
    )
  })
  const observing = await connect(ws('/observer'))
  await eventually(() => first !== undefined, 'the first connection')
  const events = first!.session.events as ConnectionEvents
  events.add({ onOpened: () => seen.push('opened'), onMessageIn: (_, { data }) => seen.push(['in', data.toString()]) })
  events.add({
    onOpened: (one) => seen.push(['opened', one.context().param('name')]),
    onMessagesOut: (_, messages, bytes) => seen.push(['out', messages, bytes]),
    onRefused: ({ url }, status) => seen.push(['refused', url, status]),
    onClosed: ({ closeInfo, session }) =>
      seen.push(['closed', closeInfo?.code, session.messagesIn, session.messagesOut])
  })
  await expect(connect(ws('/stranger'))).rejects.toThrow('401')
  const client = await connect(ws('/ann'))
  client.socket.send('hello')
  expect(await client.next()).toBe('got hello')
  app.wsHub.to('ann').broadcast('news')
  app.wsHub.to('ann').broadcast('more news')
  expect([await client.next(), await client.next()]).toEqual(['news', 'more news'])
  client.socket.close(1000)
  await client.close()
  await eventually(() => seen.some((one) => (one as unknown[])[0] === 'closed'), 'the connection to end')
  expect(seen).toEqual([
    ['refused', '/stranger', 401],
    'opened',
    ['opened', 'ann'],
    ['in', 'hello'],
    ['out', 1, 11],
    ['out', 2, 17],
    ['closed', 1000, 1, 3]
  ])
  observing.socket.terminate()
})
