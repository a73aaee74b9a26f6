import { type WebSocketConnection, WebSocketHub } from 'fastify-blaze-ws'
import { RawClient } from '../support/raw-client.ts'
import { closeServers, connect, eventually, startServer } from '../support/server.ts'

afterEach(closeServers)

interface Message {
  type: string
  username?: string
  content: string
  time: string
}

/** The section's chat room. The hub replaces its goroutine: it has a queue for each client, and no client waits for another. */
class ChatRoom {
  readonly hub = new WebSocketHub({ slowConsumer: 'disconnect' })

  enter(ws: WebSocketConnection): void {
    this.hub.register(ws)
    const welcome: Message = { type: 'system', content: 'Welcome to the chat!', time: new Date().toISOString() }
    ws.writeAsync(JSON.stringify(welcome))
  }

  leave(ws: WebSocketConnection): void {
    this.hub.unregister(ws)
  }

  say(message: Message): void {
    this.hub.broadcastJSON({ ...message, time: new Date().toISOString() })
  }
}

async function startChat() {
  const room = new ChatRoom()
  const server = await startServer((app) => {
    app.webSocket('/chat', async (ws) => {
      room.enter(ws)
      try {
        for (;;) room.say(await ws.readJSON<Message>())
      } finally {
        room.leave(ws)
      }
    })
  })
  return { ...server, room }
}

describe('Examples: Real-time Chat Application', () => {
  test('every member is welcomed and gets the messages of all members', async () => {
    const { ws, room } = await startChat()
    const clients = await Promise.all([connect(ws('/chat')), connect(ws('/chat')), connect(ws('/chat'))])
    for (const client of clients) {
      expect(JSON.parse(await client.next())).toMatchObject({ type: 'system', content: 'Welcome to the chat!' })
    }
    const [ann, bob] = clients
    ann.socket.send(JSON.stringify({ type: 'message', username: 'ann', content: 'hi', time: 'never' }))
    for (const client of clients) {
      const message = JSON.parse(await client.next()) as Message
      expect(message).toMatchObject({ type: 'message', username: 'ann', content: 'hi' })
      expect(Date.parse(message.time)).not.toBeNaN()
    }
    bob.socket.close()
    await bob.close()
    await eventually(() => room.hub.getClientCount() === 2, 'bob leaving the hub')
  })

  test('a client that does not read is closed, and the others do not wait for it', async () => {
    const { ws, room, port } = await startChat()
    const reader = await connect(ws('/chat'), [], { perMessageDeflate: false })
    const sleeper = await new RawClient(port).open('/chat')
    await eventually(() => room.hub.getClientCount() === 2, 'both clients joining the hub')
    sleeper.socket.pause()

    let sent = 0
    const text = 'x'.repeat(64 * 1024)
    await eventually(() => {
      room.say({ type: 'message', content: text, time: '' })
      sent++
      return room.hub.getClientCount() === 1
    }, 'the slow client being closed')
    await reader.until(() => reader.messages.length === sent + 1)
    expect(room.hub.stats()).toMatchObject({ clients: 1, slowDisconnects: 1 })

    sleeper.socket.resume()
    expect(await sleeper.closeCode()).toBe(1013)
    sleeper.reset()
  })
})
