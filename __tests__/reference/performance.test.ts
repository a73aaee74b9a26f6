import type { WebSocketConnection } from 'fastify-blaze-ws'
import { closeServers, connect, startServer } from '../support/server.ts'

afterEach(closeServers)

describe('Performance Optimization', () => {
  test('Asynchronous Writing', async () => {
    const { ws } = await startServer((app) => {
      app.webSocket('/ws', async (ws) => {
        for await (const { data } of ws) ws.writeAsync(data)
      })
    })
    const client = await connect(ws('/ws'))
    for (let i = 0; i < 1_000; i++) client.socket.send(String(i))
    await client.until(() => client.messages.length === 1_000)
    expect(client.messages.map(({ data }) => data)).toEqual(Array.from({ length: 1_000 }, (_, i) => String(i)))
    expect(client.messages.some(({ isBinary }) => isBinary)).toBe(false)
  })

  test('Asynchronous Writing: on a closed connection, the result is false, not an error', async () => {
    let tell!: (taken: boolean) => void
    const taken = new Promise<boolean>((resolve) => {
      tell = resolve
    })
    const { ws } = await startServer((app) => {
      app.webSocket('/ws', async (ws) => {
        await ws.close()
        tell(ws.writeAsync('too late'))
      })
    })
    const client = await connect(ws('/ws'))
    expect((await client.close()).code).toBe(1000)
    expect(await taken).toBe(false)
  })

  test('Connection Pooling', async () => {
    class ConnectionPool {
      readonly #connections = new Map<string, WebSocketConnection>()

      add(id: string, ws: WebSocketConnection): void {
        this.#connections.set(id, ws)
      }

      remove(id: string): void {
        this.#connections.delete(id)
      }

      broadcast(message: string): boolean[] {
        return [...this.#connections.values()].map((ws) => ws.writeAsync(message))
      }
    }

    const pool = new ConnectionPool()
    const { ws } = await startServer((app) => {
      app.webSocket('/ws', async (ws) => {
        pool.add(ws.id, ws)
        try {
          for await (const { data } of ws) pool.broadcast(data.toString())
        } finally {
          pool.remove(ws.id)
        }
      })
    })
    const [ann, bob] = await Promise.all([connect(ws('/ws')), connect(ws('/ws'))])
    for (const client of [ann, bob]) {
      // Both are in the pool once each has got the message about itself.
      client.socket.send('hello')
      while ((await client.next()) !== 'hello');
    }
    bob.messages.length = 0
    ann.messages.length = 0
    ann.socket.send('to all')
    await Promise.all(
      [ann, bob].map((client) => client.until(() => client.messages.some(({ data }) => data === 'to all')))
    )
    bob.socket.close()
    await bob.close()
    ann.socket.send('to those who are left')
    await ann.until(() => ann.messages.some(({ data }) => data === 'to those who are left'))
    expect(pool.broadcast('bye')).toEqual([true])
  })
})
