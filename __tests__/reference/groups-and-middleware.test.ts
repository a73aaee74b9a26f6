import type { onRequestAsyncHookHandler } from 'fastify'
import type { WebSocketHandler } from 'fastify-blaze-ws'
import { RawClient } from '../support/raw-client.ts'
import { closeServers, connect, startServer } from '../support/server.ts'

afterEach(closeServers)

interface User {
  name: string
}

const users = new Map<string, User>([['Bearer ann', { name: 'ann' }]])

const authenticate: onRequestAsyncHookHandler = async (request, reply) => {
  const token = request.headers.authorization
  const user = users.get(token ?? '')
  if (token === undefined) await reply.code(401).send({ error: 'Authentication required' })
  else if (user === undefined) await reply.code(401).send({ error: 'Invalid token' })
  else request.setDecorator<User>('account', user)
}

const handleChat: WebSocketHandler = async (ws) => {
  const user = ws.context().locals<User>('account')
  for await (const { data } of ws) await ws.writeText(`${user?.name}: ${data.toString()}`)
}

describe('Route Groups and Middleware', () => {
  test('WebSocket Routes in Groups', async () => {
    const { ws } = await startServer(async (app) => {
      await app.register(
        async (api) => {
          api.webSocket('/ws', (ws) => ws.writeText('ws'))
          api.webSocketWithConfig('/chat', async (ws) => void (await ws.readMessage()), { maxMessageSize: 10 })
        },
        { prefix: '/api/v1' }
      )
    })
    expect(await (await connect(ws('/api/v1/ws'))).next()).toBe('ws')

    const chat = await connect(ws('/api/v1/chat'))
    chat.socket.send('more than ten bytes')
    expect((await chat.close()).code).toBe(1009)

    await expect(connect(ws('/ws'))).rejects.toThrow('404')
  })

  test('Middleware Integration', async () => {
    const { ws, port } = await startServer(async (app) => {
      await app.register(
        async (group) => {
          group.decorateRequest('account')
          group.addHook('onRequest', authenticate)
          group.webSocket('/chat', handleChat)
        },
        { prefix: '/ws' }
      )
      app.webSocket('/open', (ws) => ws.writeText('no token needed'))
    })

    const stranger = new RawClient(port)
    stranger.handshake('/ws/chat')
    expect((await stranger.head()).status).toBe(401)
    stranger.reset()
    await expect(connect(ws('/ws/chat'), [], { headers: { authorization: 'Bearer eve' } })).rejects.toThrow('401')

    const ann = await connect(ws('/ws/chat'), [], { headers: { authorization: 'Bearer ann' } })
    ann.socket.send('hello')
    expect(await ann.next()).toBe('ann: hello')
    expect(await (await connect(ws('/open'))).next()).toBe('no token needed')
  })
})
