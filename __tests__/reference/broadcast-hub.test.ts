import { WebSocketHub } from 'fastify-blaze-ws'
import { closeServers, connect, eventually, startServer } from '../support/server.ts'

afterEach(closeServers)

/** The section's program: broadcasts the messages of every client and the posted ones. */
async function startHubServer() {
  const hub = new WebSocketHub()
  const running = hub.run()
  const server = await startServer((app) => {
    app.webSocket('/ws', async (ws) => {
      hub.register(ws)
      try {
        for await (const { data } of ws) hub.broadcast(data)
      } finally {
        hub.unregister(ws)
      }
    })
    app.post<{ Body: { message: string } }>(
      '/broadcast',
      { schema: { body: { type: 'object', required: ['message'], properties: { message: { type: 'string' } } } } },
      (request) => {
        hub.broadcast(request.body.message)
        return { success: true }
      }
    )
  })
  const post = (body: string) =>
    fetch(server.http('/broadcast'), { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  const join = async () => {
    const before = hub.getClientCount()
    const client = await connect(server.ws('/ws'))
    await eventually(() => hub.getClientCount() > before, 'the registration')
    return client
  }
  return { ...server, hub, running, post, join }
}

describe('Broadcasting with WebSocket Hub', () => {
  test('Creating a Hub', async () => {
    const { hub, running, post, join } = await startHubServer()
    const [ann, bob] = [await join(), await join()]

    ann.socket.send('hello')
    expect([await ann.next(), await bob.next()]).toEqual(['hello', 'hello'])

    const answer = await post('{"message":"from outside"}')
    expect(await answer.json()).toEqual({ success: true })
    expect([await ann.next(), await bob.next()]).toEqual(['from outside', 'from outside'])
    expect((await post('{"message":')).status).toBe(400)
    expect((await post('{}')).status).toBe(400)

    bob.socket.close()
    await bob.close()
    await eventually(() => hub.getClientCount() === 1, 'the unregistration')

    const [end] = await Promise.all([ann.close(), hub.shutdown(1_000), running])
    expect(end.code).toBe(1001)
  })

  test('Hub Statistics', async () => {
    const { hub, join } = await startHubServer()
    const clients = [await join(), await join(), await join()]
    expect(hub.getClientCount()).toBe(3)
    const addresses = hub.getClients().map((client) => client.remoteAddr())
    expect(new Set(addresses).size).toBe(3)
    for (const address of addresses) expect(address).toMatch(/^127\.0\.0\.1:\d+$/)

    hub.broadcast('four')
    for (const client of clients) expect(await client.next()).toBe('four')
    expect(hub.stats()).toEqual({ clients: 3, rooms: 0, messagesSent: 3, bytesSent: 12, drops: 0, slowDisconnects: 0 })
  })

  test('the built-in hub of the server', async () => {
    const { app, ws } = await startServer((app) => {
      app.webSocket('/ws', async (ws) => {
        app.wsHub.register(ws)
        for await (const { data } of ws) app.wsHub.broadcast(data)
      })
    })
    const client = await connect(ws('/ws'))
    client.socket.send('hello')
    expect(await client.next()).toBe('hello')
    const running = app.wsHub.run()
    await app.close()
    await running
    expect((await client.close()).code).toBe(1001)
  })
})
