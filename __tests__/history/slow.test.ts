import { setImmediate as nextTurn } from 'node:timers/promises'
import type { WebSocketConfig, WebSocketConnection } from '../../src/index.ts'
import { memoryHistory } from '../../src/index.ts'
import { closeServers, connect, eventually, type TestClient, type TestServer } from '../support/server.ts'
import { chat, startNode } from './support/nodes.ts'

jest.setTimeout(60_000)
afterEach(closeServers)

const MEBIBYTE = 1024 * 1024

/** Nobody stops waiting for a client, and no heartbeat is in its way. */
const PATIENT = { writeTimeout: 0, readTimeout: 0, pingInterval: 0 }

interface Slow extends TestServer {
  client: TestClient
  session: WebSocketConnection['session']
  /** Publishes a text of this size that begins with a number. */
  publish(i: number, size: number): Promise<unknown>
  /** The numbers of the messages that the client has got. */
  numbers(): number[]
}

/** A node with one client, which does not read for now. */
async function startSlow(
  route: '/' | '/raw',
  config: Partial<WebSocketConfig>,
  options: { perMessageDeflate?: boolean } = {}
): Promise<Slow> {
  const history = { store: memoryHistory({ maxBytes: 128 * MEBIBYTE }), size: 100_000 }
  const node = await startNode({ history }, { ...PATIENT, ...config })
  const client = await connect(node.ws(route), route === '/' ? ['blaze.v1'] : [], {
    perMessageDeflate: false,
    ...options
  })
  if (route === '/') client.socket.send('{"jsonrpc":"2.0","id":1,"method":"rpc.hello","params":{}}')
  await eventually(() => node.app.wsHub.getClientCount('lobby') === 1)
  const [{ session }] = node.app.wsHub.getClients('lobby') as [WebSocketConnection]
  client.socket.pause()
  const numbers: number[] = []
  let read = 0
  const textOf = (i: number, size: number): string => `${i} `.padEnd(size, 'x')
  return {
    ...node,
    client,
    session,
    publish: (i, size) =>
      route === '/'
        ? node.app.wsHub.to('lobby').publish(chat, 'said', { text: textOf(i, size) })
        : node.app.wsHub.to('lobby').publish(textOf(i, size)),
    numbers: () => {
      // Each message is read once, because it is long.
      for (const { data } of client.messages.slice(read)) {
        const number = /^(?:.*"said".*"text":")?(\d+) /.exec(data.slice(0, 100))?.[1]
        if (number !== undefined) numbers.push(Number(number))
      }
      read = client.messages.length
      return [...numbers]
    }
  }
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

/** Publishes, and gives the most bytes that were unsent meanwhile. */
async function fill({ publish, session }: Slow, count: number, size: number): Promise<number> {
  let most = 0
  for (let i = 0; i < count; i++) {
    await publish(i, size)
    // What is sent in one turn does not count against a client.
    await nextTurn()
    most = Math.max(most, session.writer.unsentBytes)
  }
  return most
}

describe.each(['/', '/raw'] as const)('catchUp, on the route %s', (route) => {
  // On contract routes it is the default.
  const catchUp: Partial<WebSocketConfig> = route === '/' ? {} : { slowConsumer: 'catchUp' }

  test('a client that stops reading keeps little memory, and gets every published message once it reads', async () => {
    const slow = await startSlow(route, catchUp)
    const { app, client, session, numbers } = slow
    expect(await fill(slow, 800, 64 * 1024)).toBeLessThan(8 * MEBIBYTE)
    const { drops } = app.wsHub.stats()
    for (let i = 0; i < 10; i++) app.wsHub.to('lobby').broadcast(chat, 'said', { text: 'x'.repeat(64 * 1024) })
    expect(app.wsHub.stats().drops).toBe(drops + 10)
    expect(session.dropped).toBe(10)
    client.socket.resume()
    await client.until(() => numbers().length === 800 || client.closed !== undefined)
    expect(numbers()).toEqual(upTo(800))
    await slow.publish(800, 10)
    await client.until(() => numbers().length === 801)
    expect(client.closed).toBeUndefined()
  })

  test('messages of a mebibyte, with and without compression', async () => {
    for (const perMessageDeflate of [false, true]) {
      const slow = await startSlow(route, catchUp, { perMessageDeflate })
      const { client, numbers } = slow
      await fill(slow, 30, MEBIBYTE)
      client.socket.resume()
      await slow.publish(30, MEBIBYTE)
      await client.until(() => numbers().length === 31 || client.closed !== undefined)
      expect(numbers()).toEqual(upTo(31))
    }
  })

  test('a client can leave, close, and be closed while it is behind', async () => {
    for (const end of ['leave', 'close', 'cut', 'shutdown'] as const) {
      const slow = await startSlow(route, catchUp)
      const { app, client, session, numbers } = slow
      await fill(slow, 400, 64 * 1024)
      client.socket.resume()
      await client.until(() => numbers().length > 10)
      const [ws] = app.wsHub.getClients('lobby') as [WebSocketConnection]
      if (end === 'leave') app.wsHub.leave(ws, 'lobby')
      else if (end === 'close') void ws.close(1000, 'enough')
      else if (end === 'cut') client.socket.terminate()
      else await app.close()
      if (end === 'leave') {
        await ws.writeText('after')
        await client.until(() => client.messages.at(-1)?.data === 'after')
      } else await client.close()
      if (end !== 'cut') await eventually(() => session.writer.unsentBytes === 0)
      const got = numbers()
      expect(got.length).toBeLessThan(400)
      expect(got).toEqual(upTo(got.length))
      if (end !== 'shutdown') await slow.publish(400, 10)
    }
  })
})

test.each<[string, WebSocketConfig['slowConsumer']]>([
  ['dropOldest', 'dropOldest'],
  ['dropNewest', 'dropNewest'],
  ['coalesce', { coalesce: () => 'all' }]
])('%s drops broadcasts, and no published message', async (_, slowConsumer) => {
  const slow = await startSlow('/raw', { slowConsumer, sendQueueSize: 16 })
  const { app, client, numbers } = slow
  for (let i = 0; i < 400; i++) {
    await slow.publish(i, 32 * 1024)
    app.wsHub.to('lobby').broadcast(`typing ${'x'.repeat(1_000)}`)
    await nextTurn()
  }
  expect(app.wsHub.stats().drops).toBeGreaterThan(0)
  client.socket.resume()
  await client.until(() => numbers().length === 400 || client.closed !== undefined)
  expect(numbers()).toEqual(upTo(400))
})

test('an explicit disconnect is kept on a contract route, and the client comes back with its position', async () => {
  const slow = await startSlow('/', { slowConsumer: 'disconnect' })
  const { app, client, numbers } = slow
  await fill(slow, 400, 64 * 1024)
  expect(app.wsHub.stats().slowDisconnects).toBe(1)
  client.socket.resume()
  expect((await client.close()).code).toBe(1013)
  const count = numbers().length
  expect(numbers()).toEqual(upTo(count))
  expect(count).toBeLessThan(400)

  const { epoch } = await app.wsHub.history.position('lobby')
  const again = await connect(slow.ws('/'), ['blaze.v1'])
  const positions = { lobby: { epoch, offset: count } }
  again.socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'rpc.hello', params: { positions } }))
  await again.until(() => again.messages.at(-1)?.data.endsWith('"offset":400}') === true)
  const offsets = again.messages.flatMap(({ data }) => /"said".*"offset":(\d+)}$/.exec(data)?.[1] ?? []).map(Number)
  expect(offsets).toEqual(
    upTo(400)
      .slice(count)
      .map((i) => i + 1)
  )
})
