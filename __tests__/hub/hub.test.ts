import { BinaryMessage, type HubEvents, WebSocketConnection, WebSocketHub } from '../../src/index.ts'
import { clientFrame, RawClient } from '../support/raw-client.ts'
import { closeServers, connect, eventually, startServer, type TestClient, type TestServer } from '../support/server.ts'

afterEach(closeServers)

/** A server whose handler registers its connection under the name in the query and reads until the connection ends. */
async function serve(
  hub?: WebSocketHub,
  config = {}
): Promise<
  TestServer & { byName: Map<string, WebSocketConnection>; hub: WebSocketHub; join(name: string): Promise<TestClient> }
> {
  const byName = new Map<string, WebSocketConnection>()
  const server = await startServer((app) => {
    app.webSocketWithConfig(
      '/ws',
      async (ws) => {
        byName.set(ws.context().query('name'), ws)
        ;(hub ?? app.wsHub).register(ws)
        for await (const _message of ws);
      },
      config
    )
  })
  const join = async (name: string): Promise<TestClient> => {
    const client = await connect(server.ws(`/ws?name=${name}`), [], { perMessageDeflate: false })
    await eventually(() => byName.has(name))
    return client
  }
  return { ...server, byName, hub: hub ?? server.app.wsHub, join }
}

function of(byName: Map<string, WebSocketConnection>, name: string): WebSocketConnection {
  return byName.get(name) as WebSocketConnection
}

/** The messages that each client got, after a last message has reached all of them. */
async function drained(hub: WebSocketHub, clients: TestClient[]): Promise<string[][]> {
  hub.broadcast('END')
  await Promise.all(clients.map((client) => client.until(() => client.messages.at(-1)?.data === 'END')))
  return clients.map((client) =>
    client.messages
      .splice(0)
      .slice(0, -1)
      .map(({ data }) => data)
  )
}

test('broadcast with to, except and filter reaches exactly the named recipients, in order', async () => {
  const { hub, byName, join } = await serve()
  const clients = [await join('a'), await join('b'), await join('c')]
  const [a, b, c] = [of(byName, 'a'), of(byName, 'b'), of(byName, 'c')]
  hub.join(a, 'red')
  hub.join(b, 'red')
  hub.join(b, 'blue')
  expect(hub.broadcast('all')).toBe(3)
  expect(hub.broadcast('red', { to: 'red' })).toBe(2)
  expect(hub.broadcast('red or blue, once', { to: ['red', 'blue'] })).toBe(2)
  expect(hub.broadcast('not a', { except: a })).toBe(2)
  expect(hub.broadcast('not a, not b', { except: [a, b] })).toBe(1)
  expect(hub.broadcast('filtered', { filter: (ws) => ws === c })).toBe(1)
  expect(hub.to('blue').broadcastJSON({ to: 'blue' })).toBe(1)
  expect(hub.to(['red', 'nobody']).broadcast('red again', { except: b })).toBe(1)
  expect(hub.broadcast('nobody', { to: 'nobody' })).toBe(0)
  expect(hub.broadcast('bytes as text', {})).toBe(3)
  expect(hub.broadcastJSON(null)).toBe(3)
  expect(await drained(hub, clients)).toEqual([
    ['all', 'red', 'red or blue, once', 'red again', 'bytes as text', 'null'],
    ['all', 'red', 'red or blue, once', 'not a', '{"to":"blue"}', 'bytes as text', 'null'],
    ['all', 'not a', 'not a, not b', 'filtered', 'bytes as text', 'null']
  ])
})

test('sends bytes as text, or as binary if asked; throws before sending anything if the data is invalid', async () => {
  const { hub, join } = await serve()
  const client = await join('a')
  hub.broadcast(Buffer.from('text'))
  hub.broadcast(Buffer.from([0xff]), { type: BinaryMessage })
  expect(() => hub.broadcast(Buffer.from([0xff]))).toThrow(TypeError)
  expect(() => hub.broadcast(5 as never)).toThrow(/"data": must be a string/)
  expect(() => hub.broadcast('x', { type: 9 })).toThrow(/"type": must be/)
  expect(() => hub.broadcastJSON(undefined)).toThrow(TypeError)
  expect(() => hub.broadcast('x', { to: 7 as never })).toThrow(/"room": must be a string/)
  expect(() =>
    hub.broadcast('x', {
      filter: () => {
        throw new Error('filter')
      }
    })
  ).toThrow('filter')
  await client.until(() => client.messages.length === 2)
  expect(client.messages).toEqual([
    { data: 'text', isBinary: false },
    { data: '\u00ff', isBinary: true }
  ])
})

test('the caller may reuse its buffer as soon as broadcast returns', async () => {
  const { hub, join } = await serve()
  const client = await join('a')
  const bytes = Buffer.from('before')
  hub.broadcast(bytes)
  bytes.fill('x')
  expect(await client.next()).toBe('before')
})

test('clients can register and leave in any order and any number of times', async () => {
  const other = new WebSocketHub()
  const { hub, byName, join } = await serve()
  const client = await join('a')
  const ws = of(byName, 'a')
  expect([hub.register(ws), hub.register(ws), other.register(ws)]).toEqual([true, true, true])
  hub.broadcast('once')
  other.broadcast('twice')
  expect([await client.next(), await client.next()]).toEqual(['once', 'twice'])
  hub.leave(ws, 'never joined')
  expect(hub.getClients()).toEqual([ws])
  hub.unregister(ws)
  hub.unregister(ws)
  expect((await client.close()).code).toBe(1000)
  await eventually(() => other.getClientCount() === 0)
  expect([hub.register(ws), hub.join(ws, 'room'), hub.getClientCount()]).toEqual([false, false, 0])
  hub.unregister(ws)
})

test('a room exists from its first member until its last one leaves or closes', async () => {
  const { hub, byName, join } = await serve()
  const client = await join('a')
  const ws = of(byName, 'a')
  expect([hub.join(ws, '__proto__'), hub.join(ws, '__proto__'), hub.join(ws, 'constructor')]).toEqual([
    true,
    true,
    true
  ])
  expect(hub.rooms(ws)).toEqual(['__proto__', 'constructor'])
  expect(hub.getRooms()).toEqual(['__proto__', 'constructor'])
  expect([hub.getClientCount('__proto__'), hub.getClients('constructor'), hub.getClientCount('toString')]).toEqual([
    1,
    [ws],
    0
  ])
  hub.leave(ws, '__proto__')
  expect(hub.getRooms()).toEqual(['constructor'])
  client.socket.terminate()
  await eventually(() => hub.getClientCount() === 0)
  expect([hub.getRooms(), hub.rooms(ws), hub.stats().rooms]).toEqual([[], [], 0])
})

test.each([[''], ['x'.repeat(257)], [5], [null]])(
  'the room %p is refused with an error that closes with 1008',
  async (room) => {
    const { hub, byName, join } = await serve()
    await join('a')
    expect(() => hub.join(of(byName, 'a'), room as string)).toThrow(expect.objectContaining({ closeCode: 1008 }))
    expect(() => hub.to(room as string)).toThrow(/"room"/)
  }
)

test('throws an error that names the argument if it is not a connection', () => {
  const hub = new WebSocketHub()
  for (const act of [hub.register, hub.unregister, hub.rooms]) {
    expect(() => act.call(hub, { close: () => {} } as never)).toThrow(
      /"ws": must be the WebSocketConnection that a handler gets, got an object/
    )
  }
})

test('emits register and unregister for each client, even if a listener throws', async () => {
  const { hub, byName, join, logs } = await serve()
  const seen: string[] = []
  for (const event of ['register', 'unregister'] satisfies (keyof HubEvents)[]) {
    hub.on(event, (ws) => {
      seen.push(`${event} ${ws.context().query('name')}`)
      throw new Error('in a listener')
    })
  }
  const [a, b] = [await join('a'), await join('b')]
  hub.unregister(of(byName, 'a'))
  await a.close()
  b.socket.close(1000)
  await eventually(() => hub.getClientCount() === 0)
  expect(seen).toEqual(['register a', 'register b', 'unregister a', 'unregister b'])
  expect(logs.filter(({ msg }) => msg === 'listener of a WebSocketHub event failed')).toHaveLength(4)
})

test('stats count deliveries and payload bytes', async () => {
  const { hub, byName, join } = await serve()
  await join('a')
  await join('b')
  hub.join(of(byName, 'a'), 'room')
  hub.broadcast('12345')
  hub.to('room').broadcast('ä')
  expect(hub.stats()).toEqual({ clients: 2, rooms: 1, messagesSent: 3, bytesSent: 12, drops: 0, slowDisconnects: 0 })
})

test('shutdown closes with 1001, drops clients that do not answer in time, and settles run', async () => {
  const hub = new WebSocketHub()
  const { port, join } = await serve(hub)
  const polite = await join('a')
  await new RawClient(port).open('/ws?name=mute')
  await eventually(() => hub.getClientCount() === 2)
  const running = hub.run()
  await hub.shutdown(50)
  await running
  expect((await polite.close()).code).toBe(1001)
  expect(hub.getClientCount()).toBe(0)
  await join('late')
  expect(hub.getClientCount()).toBe(0)
  await expect(hub.shutdown(-1)).rejects.toThrow(RangeError)
  await expect(hub.shutdown('1' as never)).rejects.toThrow(TypeError)
})

test('the error for an invalid option names it', () => {
  expect(() => new WebSocketHub({ slowConsumer: 'wait' as never })).toThrow(/"hub.slowConsumer": must be 'disconnect'/)
  expect(() => new WebSocketHub({ rooms: 1 } as never)).toThrow(/"hub.rooms": is unknown/)
})

describe('slow consumers', () => {
  const config = { sendQueueSize: 8, writeTimeout: 0 }

  /** A client that has stopped reading and has a full socket, and a second client that reads. */
  async function slowAndFast(slowConsumer: object | string): Promise<
    Omit<Awaited<ReturnType<typeof serve>>, 'ws'> & {
      slow: RawClient
      fast: TestClient
      ws: WebSocketConnection
      tick: () => Promise<void>
    }
  > {
    const server = await serve(undefined, { ...config, slowConsumer })
    const slow = await new RawClient(server.port).open('/ws?name=slow')
    const fast = await server.join('fast')
    await eventually(() => server.byName.has('slow'))
    const ws = of(server.byName, 'slow')
    slow.socket.pause()
    const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
    while (ws.bufferedAmount < 1024 * 1024) {
      void ws.writeBinary(Buffer.alloc(1024 * 1024))
      await tick()
    }
    // Later messages meet a socket that has had time to take some data.
    await tick()
    return { ...server, slow, fast, ws, tick }
  }

  /** The texts that a slow client gets when it reads again, up to the last message or the close code. */
  async function texts(slow: RawClient, last: string): Promise<string[]> {
    slow.socket.resume()
    const all: string[] = []
    while (all.at(-1) !== last) {
      const { opcode, payload } = await slow.frame()
      if (opcode === 1) all.push(payload.toString())
      if (opcode === 8) return [...all, `closed ${payload.readUInt16BE(0)}`]
    }
    return all
  }

  test('disconnect: removes the slow client from the hub and closes it with 1013; other clients are not affected', async () => {
    const { hub, slow, fast, ws, tick } = await slowAndFast('disconnect')
    const left: unknown[] = []
    hub.on('slow', (connection) => left.push(connection))
    for (let i = 0; i < 20; i++) {
      hub.broadcast(`message ${i}`)
      await tick()
    }
    expect(left).toEqual([ws])
    expect(hub.getClientCount()).toBe(1)
    expect(hub.stats()).toMatchObject({ clients: 1, slowDisconnects: 1, drops: ws.dropped })
    await fast.until(() => fast.messages.length === 20)
    expect((await texts(slow, 'never')).at(-1)).toBe('closed 1013')
    expect(ws.isClosed()).toBe(true)
  })

  test('dropNewest: keeps queued messages and drops new ones', async () => {
    const { hub, slow, fast, ws, tick } = await slowAndFast('dropNewest')
    let episodes = 0
    hub.on('slow', () => episodes++)
    for (let i = 0; i < 20; i++) {
      hub.broadcast(`message ${i}`)
      await tick()
    }
    expect(ws.dropped).toBe(12)
    expect(hub.stats().drops).toBe(12)
    expect(episodes).toBe(1)
    await fast.until(() => fast.messages.length === 20)
    slow.socket.resume()
    await eventually(() => ws.bufferedAmount === 0)
    hub.broadcast('last')
    expect(await texts(slow, 'last')).toEqual([...Array.from({ length: 8 }, (_, i) => `message ${i}`), 'last'])
  })

  test('dropOldest: drops the oldest queued messages to make room for new ones', async () => {
    const { hub, slow, fast, ws, tick } = await slowAndFast('dropOldest')
    for (let i = 0; i < 20; i++) {
      hub.broadcast(`message ${i}`)
      await tick()
    }
    expect(ws.dropped).toBe(12)
    await fast.until(() => fast.messages.length === 20)
    expect(await texts(slow, 'message 19')).toEqual(Array.from({ length: 8 }, (_, i) => `message ${i + 12}`))
  })

  test('coalesce: keeps the newest message of each key, and drops the oldest if there are too many keys', async () => {
    const { hub, slow, fast, ws, tick } = await slowAndFast({ coalesce: (data: string) => data.split(':')[0] })
    for (let i = 0; i < 30; i++) {
      hub.broadcast(`${'abc'[i % 3]}:${i}`)
      await tick()
    }
    for (let i = 0; i < 7; i++) {
      hub.broadcast(`key${i}:x`)
      await tick()
    }
    await fast.until(() => fast.messages.length === 37)
    expect(await texts(slow, 'key6:x')).toEqual(['c:29', ...Array.from({ length: 7 }, (_, i) => `key${i}:x`)])
    expect(ws.dropped).toBe(29)
  })

  test('coalesce: a function that throws is logged once, and the message is treated as having its own key', async () => {
    const { hub, slow, logs, tick } = await slowAndFast({
      coalesce: () => {
        throw new Error('no key')
      }
    })
    for (let i = 0; i < 4; i++) {
      hub.broadcast(`message ${i}`)
      await tick()
    }
    expect(await texts(slow, 'message 3')).toEqual(['message 0', 'message 1', 'message 2', 'message 3'])
    expect(logs.filter(({ msg }) => msg.startsWith('coalesce'))).toHaveLength(1)
  })

  test('the policy of the hub overrides the policy of the route', async () => {
    const hub = new WebSocketHub({ slowConsumer: 'dropNewest' })
    const { ws, tick } = await slowAndFast('disconnect')
    hub.register(ws)
    for (let i = 0; i < 20; i++) {
      hub.broadcast(`message ${i}`)
      await tick()
    }
    expect(ws.isClosed()).toBe(false)
    expect(hub.stats().drops).toBe(12)
  })

  test.each(['disconnect', 'dropNewest', 'dropOldest'])(
    '%s: a client that reads loses nothing in a burst within one tick',
    async (slowConsumer) => {
      const { hub, join } = await serve(undefined, { sendQueueSize: 4, slowConsumer })
      const client = await join('a')
      for (let round = 0; round < 3; round++) {
        for (let i = 0; i < 5_000; i++) hub.broadcast(`message ${i} ${'x'.repeat(500)}`)
        await client.until(() => client.messages.length === 5_000 || client.closed !== undefined)
        expect(client.closed).toBeUndefined()
        expect(client.messages.map(({ data }) => data.split(' ')[1])).toEqual(
          Array.from({ length: 5_000 }, (_, i) => `${i}`)
        )
        client.messages.length = 0
      }
      expect(hub.stats().drops).toBe(0)
    }
  )
})

test('long and short compressed broadcasts arrive intact and in order, whatever compression each recipient negotiated', async () => {
  const { hub, ws, byName } = await serve(undefined, { compressionThreshold: 100 })
  const offers = [false, true, { serverMaxWindowBits: 10 }, { serverMaxWindowBits: 15 }] as const
  const clients = await Promise.all(
    offers.map((perMessageDeflate, i) => connect(ws(`/ws?name=${i}`), [], { perMessageDeflate }))
  )
  await eventually(() => byName.size === offers.length)
  const texts = Array.from({ length: 40 }, (_, i) => `${i} `.repeat([1, 200, 30_000][i % 3] as number))
  for (const text of texts) hub.broadcast(text)
  for (const got of await drained(hub, clients)) expect(got).toEqual(texts)
})

test('a hub handles 10 000 connections, and 1 000 rooms of one connection', async () => {
  const { app, hub, byName, join } = await serve()
  const first = await join('first')
  const ws = of(byName, 'first')
  for (let i = 0; i < 1_000; i++) hub.join(ws, `room ${i}`)
  expect(hub.rooms(ws)).toHaveLength(1_000)
  const injected = []
  for (let i = 0; i < 10_000; i++) injected.push(await app.injectWS('/ws?name=injected'))
  await eventually(() => hub.getClientCount() === 10_001)
  let got = 0
  for (const client of injected) client.once('message', () => got++)
  expect(hub.broadcast('to all')).toBe(10_001)
  await eventually(() => got === 10_000)
  expect(await first.next()).toBe('to all')
  hub.unregister(ws)
  expect(hub.getRooms()).toEqual([])
  for (const client of injected) client.terminate()
  await eventually(() => hub.getClientCount() === 0)
}, 120_000)

test('a broadcast reaches all other clients while some close or reset', async () => {
  const { hub, port, join } = await serve()
  const healthy = await join('healthy')
  const raw = await Promise.all(Array.from({ length: 20 }, (_, i) => new RawClient(port).open(`/ws?name=${i}`)))
  await eventually(() => hub.getClientCount() === 21)
  for (const [i, client] of raw.entries()) {
    if (i % 3 === 0) client.reset()
    if (i % 3 === 1) client.socket.write(clientFrame(8))
  }
  for (let i = 0; i < 50; i++) {
    hub.broadcast(`message ${i}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await healthy.until(() => healthy.messages.length === 50)
  await eventually(() => hub.getClientCount() === 7)
})

test.each<[object | string, RegExp]>([
  [{ room: 'red' }, /"options.room": is unknown; allowed are type, to, except, filter/],
  ['red', /"options": must be an object with keys of type, to, except, filter, local, coalesce, volatile, got "red"/],
  [{ to: undefined }, /"room": must be a string, got undefined/],
  [{ except: 5 }, /"except": must be the WebSocketConnection/],
  [{ filter: true }, /"filter": must be a function, got true/],
  [{ filter: async () => false }, /"filter": must return a boolean, got an object \(Promise\)/]
])('broadcast with the invalid options %p throws and sends nothing', async (options, message) => {
  const { hub, join } = await serve()
  const client = await join('a')
  expect(() => hub.broadcast('secret', options as never)).toThrow(message)
  expect(await drained(hub, [client])).toEqual([[]])
})

test('to() refuses another "to" in the options and sends nothing', async () => {
  const { hub, join } = await serve()
  const client = await join('a')
  const red = hub.to('red')
  const options = { to: 'blue' } as never
  const message = /"options.to": is for calls without to\(…\)/
  hub.join(hub.getClients()[0] as WebSocketConnection, 'red')
  expect(() => red.broadcast('secret', options)).toThrow(message)
  expect(() => red.broadcastJSON('secret', options)).toThrow(message)
  await expect(red.reach('secret', options)).rejects.toThrow(message)
  expect(await drained(hub, [client])).toEqual([[]])
})

test.each<[unknown, RegExp]>([
  [null, /"options": must be an object with keys of local, got null/],
  [{ loca: true }, /"options.loca": is unknown/],
  [{ local: 'true' }, /"local": must be a boolean, got "true"/]
])('disconnect with the invalid options %p throws and closes nothing', async (options, message) => {
  const { hub, join } = await serve()
  await join('a')
  expect(() => hub.disconnect(hub.getClients(), 4_000, 'out', options as never)).toThrow(message)
  expect(hub.getClientCount()).toBe(1)
})
