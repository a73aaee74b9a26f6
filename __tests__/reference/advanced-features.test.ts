import type { WebSocketConnection } from 'fastify-blaze-ws'
import { closeServers, connect, startServer } from '../support/server.ts'

afterEach(closeServers)

interface User {
  name: string
}

async function validateToken(token: string): Promise<User> {
  if (token !== 'Bearer ann') throw new Error('unknown token')
  return { name: 'ann' }
}

async function refuse(ws: WebSocketConnection, error: string): Promise<void> {
  await ws.writeJSON({ error })
  await ws.close()
}

describe('Advanced Features', () => {
  test('Custom Message Routing', async () => {
    interface Message {
      type: string
      channel: string
      data?: unknown
    }

    const { ws } = await startServer((app) => {
      const hub = app.wsHub
      app.webSocket('/ws', async (ws) => {
        for (;;) {
          const { type, channel, data } = await ws.readJSON<Message>()
          switch (type) {
            case 'join':
              hub.join(ws, channel)
              await ws.writeJSON({ type: 'joined', channel })
              break
            case 'leave':
              hub.leave(ws, channel)
              await ws.writeJSON({ type: 'left', channel })
              break
            case 'message':
              hub.to(channel).broadcastJSON({ type, channel, data })
              break
            default:
              await ws.writeJSON({ type: 'error', data: 'Unknown message type' })
          }
        }
      })
    })
    const [ann, bob] = await Promise.all([connect(ws('/ws')), connect(ws('/ws'))])
    const say = async (client: typeof ann, message: Partial<Message>) => {
      client.socket.send(JSON.stringify(message))
      return JSON.parse(await client.next()) as Message
    }
    expect(await say(ann, { type: 'join', channel: 'news' })).toEqual({ type: 'joined', channel: 'news' })
    expect(await say(bob, { type: 'join', channel: 'news' })).toEqual({ type: 'joined', channel: 'news' })

    const message = { type: 'message', channel: 'news', data: { text: 'hi' } }
    expect(await say(ann, message)).toEqual(message)
    expect(JSON.parse(await bob.next())).toEqual(message)

    expect(await say(bob, { type: 'leave', channel: 'news' })).toEqual({ type: 'left', channel: 'news' })
    expect(await say(ann, message)).toEqual(message)
    // The next message is not the one that was sent to the room after leaving.
    expect(await say(bob, { type: 'dance' })).toEqual({ type: 'error', data: 'Unknown message type' })

    ann.socket.send('{"type":"join","channel":7}')
    expect((await ann.close()).code).toBe(1008)
  })

  test('Authentication and Authorization', async () => {
    const { ws } = await startServer((app) => {
      app.webSocket('/ws', async (ws) => {
        const token = ws.header('Authorization')
        if (token === '') return refuse(ws, 'Authentication required')
        try {
          ws.setLocal('user', await validateToken(token))
        } catch {
          return refuse(ws, 'Invalid token')
        }
        for await (const { data } of ws) await ws.writeText(`${ws.getLocal<User>('user')?.name}: ${data.toString()}`)
      })
    })

    const stranger = await connect(ws('/ws'))
    expect(JSON.parse(await stranger.next())).toEqual({ error: 'Authentication required' })
    expect((await stranger.close()).code).toBe(1000)

    const forger = await connect(ws('/ws'), [], { headers: { authorization: 'Bearer eve' } })
    expect(JSON.parse(await forger.next())).toEqual({ error: 'Invalid token' })
    expect((await forger.close()).code).toBe(1000)

    // A message that is sent while the token is checked is not lost.
    const ann = await connect(ws('/ws'), [], { headers: { authorization: 'Bearer ann' } })
    ann.socket.send('hello')
    expect(await ann.next()).toBe('ann: hello')
  })

  test('Rate Limiting', async () => {
    /** A bucket of `burst` tokens, refilled with `rate` tokens per second. */
    class Limiter {
      readonly #rate: number
      readonly #burst: number
      #tokens: number
      #at = performance.now()

      constructor(rate: number, burst: number) {
        this.#rate = rate
        this.#burst = burst
        this.#tokens = burst
      }

      allow(): boolean {
        const now = performance.now()
        this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#at) / 1000) * this.#rate)
        this.#at = now
        if (this.#tokens < 1) return false
        this.#tokens--
        return true
      }
    }

    const { ws } = await startServer((app) => {
      app.webSocket('/ws', async (ws) => {
        const limiter = new Limiter(10, 20)
        for await (const { type, data } of ws) {
          if (limiter.allow()) await ws.writeMessage(type, data)
          else await ws.writeJSON({ error: 'Rate limit exceeded' })
        }
      })
    })
    const client = await connect(ws('/ws'))
    const start = performance.now()
    for (let i = 0; i < 100; i++) client.socket.send(`message ${i}`)
    await client.until(() => client.messages.length === 100)
    const allowed = client.messages.filter(({ data }) => data.startsWith('message'))
    const refused = client.messages.filter(({ data }) => data === '{"error":"Rate limit exceeded"}')
    expect(allowed.length + refused.length).toBe(100)
    expect(allowed.slice(0, 20).map(({ data }) => data)).toEqual(Array.from({ length: 20 }, (_, i) => `message ${i}`))
    expect(allowed.length).toBeLessThanOrEqual(Math.ceil(20 + ((performance.now() - start) / 1000) * 10))
  })
})
