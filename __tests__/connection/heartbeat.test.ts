import type { WebSocketConnection } from '../../src/index.ts'
import { Scheduler } from '../../src/internal/scheduler.ts'
import { clientFrame, RawClient } from '../support/raw-client.ts'
import { closeServers, connect, eventually, startServer } from '../support/server.ts'

afterEach(closeServers)

async function open(config: object): Promise<{ client: RawClient; ws: WebSocketConnection }> {
  let connection: WebSocketConnection | undefined
  const { port } = await startServer((app) => {
    app.webSocketWithConfig(
      '/ws',
      async (ws) => {
        connection = ws
        for await (const { data } of ws)
          if (data.toString() === 'stop')
            await new Promise<void>((resolve) => ws.signal.addEventListener('abort', () => resolve()))
      },
      config
    )
  })
  const client = await new RawClient(port).open('/ws')
  await eventually(() => connection !== undefined)
  return { client, ws: connection as unknown as WebSocketConnection }
}

test('a client that only answers pings stays connected', async () => {
  const { ws } = await startServer((app) => {
    app.webSocketWithConfig(
      '/ws',
      async (ws) => {
        for await (const _message of ws);
      },
      { pingInterval: 20, pongTimeout: 100, readTimeout: 100 }
    )
  })
  const client = await connect(ws('/ws'))
  let pings = 0
  client.socket.on('ping', () => pings++)
  await eventually(() => pings >= 15)
  expect(client.closed).toBeUndefined()
})

test('drops the connection if a ping is not answered in time', async () => {
  const { client, ws } = await open({ pingInterval: 20, pongTimeout: 80, readTimeout: 0 })
  expect((await client.frame()).opcode).toBe(9)
  await eventually(() => ws.closeInfo !== undefined)
  expect(ws.closeInfo).toEqual({ code: 1006, reason: 'pong timeout', wasClean: false })
})

test('closes a client that sends nothing with 1008, even if an unfinished message trickles in', async () => {
  const { client, ws } = await open({ pingInterval: 0, readTimeout: 120 })
  const frame = clientFrame(1, 'x'.repeat(100))
  let sent = 0
  const trickle = setInterval(() => client.socket.write(frame.subarray(sent, ++sent)), 10)
  expect(await client.closeCode()).toBe(1008)
  clearInterval(trickle)
  expect(sent).toBeLessThan(100)
  client.socket.destroy()
  await eventually(() => ws.closeInfo !== undefined)
  expect(ws.closeInfo).toMatchObject({ code: 1008, reason: 'read timeout' })
})

test.each([
  [1, 'a message'],
  [9, 'a ping'],
  [10, 'a pong']
])('opcode %d, %s, counts as a sign of life', async (opcode) => {
  const { client, ws } = await open({ pingInterval: 0, readTimeout: 120 })
  for (let i = 0; i < 12; i++) {
    client.socket.write(clientFrame(opcode, 'here'))
    await new Promise((resolve) => setTimeout(resolve, 30))
  }
  expect(ws.isClosed()).toBe(false)
})

test('a client is not timed out while the server does not read from it', async () => {
  const { client, ws } = await open({ pingInterval: 20, pongTimeout: 60, readTimeout: 60, readBufferSize: 100 })
  client.socket.write(Buffer.concat([clientFrame(1, 'stop'), clientFrame(1, 'x'.repeat(500))]))
  await eventually(() => ws.socket.isPaused)
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect(ws.isClosed()).toBe(false)
})

test('a write that is not flushed in time ends the connection, even if the client reads a few bytes', async () => {
  const { client, ws } = await open({ writeTimeout: 150, pingInterval: 0 })
  client.socket.pause()
  const writes: Promise<void>[] = []
  for (let i = 0; i < 15; i++) writes.push(ws.writeBinary(Buffer.alloc(1024 * 1024)))
  const trickle = setInterval(() => client.socket.read(1), 10)
  await expect(Promise.all(writes)).rejects.toMatchObject({ closeCode: 1006, reason: 'write timeout' })
  clearInterval(trickle)
})

test('drops no connection if all timeouts are 0', async () => {
  const { client, ws } = await open({ writeTimeout: 0, readTimeout: 0, pingInterval: 0, pongTimeout: 0 })
  client.socket.pause()
  for (let i = 0; i < 15; i++) void ws.writeBinary(Buffer.alloc(1024 * 1024))
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect(ws.isClosed()).toBe(false)
})

test('at most one ping waits in the send queue', async () => {
  const { client, ws } = await open({ writeTimeout: 0, readTimeout: 0, pingInterval: 10, pongTimeout: 0 })
  client.socket.pause()
  while (ws.bufferedAmount === 0) {
    void ws.writeBinary(Buffer.alloc(1024 * 1024))
    await new Promise((resolve) => setImmediate(resolve))
  }
  const before = ws.bufferedAmount
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect(ws.bufferedAmount).toBeLessThanOrEqual(before + 2)
})

test('a blocked event loop does not drop healthy clients', async () => {
  const { client, ws } = await open({ pingInterval: 50, pongTimeout: 300, readTimeout: 300 })
  client.socket.on('data', () => client.socket.write(clientFrame(10)))
  await new Promise((resolve) => setTimeout(resolve, 100))
  const end = Date.now() + 1_200
  while (Date.now() < end) {
    // Blocks the event loop.
  }
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect(ws.isClosed()).toBe(false)
})

test('the timer of the scheduler does not keep the process alive', () => {
  const dog = new Scheduler()
  const before = process.getActiveResourcesInfo().length
  const watched = Array.from({ length: 2 }, () => ({ check: () => {}, onLag: () => {} }))
  for (const one of watched) dog.add(one)
  dog.ensurePrecisionFor(0)
  dog.ensurePrecisionFor(1)
  // Unref'd timers do not count as active resources.
  expect(process.getActiveResourcesInfo().length).toBe(before)
  for (const one of watched) dog.delete(one)
})
