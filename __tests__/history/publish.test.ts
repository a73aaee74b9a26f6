import { BinaryMessage, memoryBroker, MemoryEngine, memoryHistory } from '../../src/index.ts'
import { closeServers, connect, eventually } from '../support/server.ts'
import { chat, framesOf, next, openBlaze, other, serve, withJoin } from './support/lobby.ts'

afterEach(closeServers)

test('a published event reaches the members with its room and offset, after their position', async () => {
  const { app, ws } = await serve()
  const client = await openBlaze(ws('/chat'))
  const joined = await next(client)
  const first = await app.wsHub.to('lobby').publish(chat, 'said', { text: 'a' })
  expect(first).toEqual({ epoch: expect.any(String), offset: 1, receivers: 1 })
  expect(joined).toEqual({
    jsonrpc: '2.0',
    method: 'rpc.joined',
    params: { room: 'lobby', epoch: first.epoch, offset: 0 }
  })
  expect(await next(client)).toEqual({
    jsonrpc: '2.0',
    method: 'said',
    params: { text: 'a' },
    room: 'lobby',
    offset: 1
  })
})

test('raw members get text and bytes, and events as JSON', async () => {
  const { app, ws } = await serve()
  const client = await connect(ws('/raw'))
  await eventually(() => app.wsHub.getClientCount('lobby') === 1)
  const lobby = app.wsHub.to('lobby')
  const results = await Promise.all([
    lobby.publish('one'),
    lobby.publish(Buffer.from([1, 2]), { type: BinaryMessage }),
    lobby.publish(chat, 'said', { text: 'x' })
  ])
  expect(results.map(({ offset, receivers }) => [offset, receivers])).toEqual([
    [1, 1],
    [2, 1],
    [3, 1]
  ])
  await eventually(() => client.messages.length === 3)
  expect(client.messages.map(({ data }) => data)).toEqual([
    'one',
    '\u0001\u0002',
    '{"jsonrpc":"2.0","method":"said","params":{"text":"x"},"room":"lobby","offset":3}'
  ])
})

test('a client that comes back with its position gets what it has missed, and nothing twice', async () => {
  const { app, ws } = await serve()
  const lobby = app.wsHub.to('lobby')
  const { epoch } = await lobby.publish(chat, 'said', { text: '1' })
  for (let i = 2; i <= 500; i++) await lobby.publish(chat, 'said', { text: `${i}` })
  const client = await openBlaze(ws('/chat'), { lobby: { epoch, offset: 100 } })
  void lobby.publish(chat, 'said', { text: '501' })
  await eventually(() => framesOf(client).at(-1)?.offset === 501)
  const [joined, ...said] = framesOf(client)
  expect(joined.params).toEqual({ room: 'lobby', epoch, offset: 100, recovered: true })
  expect(said.map(({ offset }) => offset)).toEqual(Array.from({ length: 401 }, (_, i) => 101 + i))
})

test('with last, raw clients get the last messages, then live ones', async () => {
  const { app, ws } = await serve()
  for (let i = 1; i <= 10; i++) await app.wsHub.to('lobby').publish(`${i}`)
  const client = await connect(withJoin(ws('/raw'), { last: 3 }))
  await eventually(() => client.messages.length === 3)
  await app.wsHub.to('lobby').publish('11')
  await eventually(() => client.messages.length === 4)
  expect(client.messages.map(({ data }) => data)).toEqual(['8', '9', '10', '11'])
})

test('what cannot be recovered is told', async () => {
  const { app, ws } = await serve({ hub: { history: { size: 10 } } })
  const lobby = app.wsHub.to('lobby')
  const { epoch } = await lobby.publish(chat, 'said', { text: '1' })
  for (let i = 2; i <= 20; i++) await lobby.publish(chat, 'said', { text: `${i}` })
  const trimmed = await openBlaze(ws('/chat'), { lobby: { epoch, offset: 5 } })
  const lost = await openBlaze(ws('/chat'), { lobby: { epoch: 'other', offset: 5 } })
  const ahead = await openBlaze(ws('/chat'), { lobby: { epoch, offset: 21 } })
  for (const client of [trimmed, lost, ahead]) await eventually(() => framesOf(client).at(-1)?.offset === 20)
  expect(framesOf(trimmed)[0].params).toEqual({
    room: 'lobby',
    epoch,
    offset: 10,
    recovered: false,
    reason: 'trimmed'
  })
  for (const client of [lost, ahead])
    expect(framesOf(client)[0].params).toEqual({ room: 'lobby', epoch, offset: 10, recovered: false, reason: 'epoch' })
  expect(framesOf(lost).length).toBe(11)
})

test('clients of another contract are told that the stream goes on', async () => {
  const { app, ws } = await serve()
  const client = await openBlaze(ws('/other'))
  await next(client)
  const { epoch } = await app.wsHub.to('lobby').publish(chat, 'said', { text: '1' })
  await app.wsHub.to('lobby').publish(other, 'moved')
  await eventually(() => framesOf(client).length === 2)
  expect(framesOf(client)).toEqual([
    { jsonrpc: '2.0', method: 'rpc.joined', params: { room: 'lobby', epoch, offset: 1 } },
    { jsonrpc: '2.0', method: 'moved', room: 'lobby', offset: 2 }
  ])
})

test('hub.leave tells the client to forget its position', async () => {
  const { app, ws } = await serve()
  const client = await openBlaze(ws('/chat'))
  await next(client)
  const [member] = app.wsHub.getClients('lobby')
  app.wsHub.leave(member!, 'lobby')
  expect(await next(client)).toEqual({ jsonrpc: '2.0', method: 'rpc.left', params: { room: 'lobby' } })
})

test('two nodes with one store pass on the same stream', async () => {
  const engine = new MemoryEngine()
  const store = memoryHistory()
  const [a, b] = await Promise.all(
    [1, 2].map(() => serve({ hub: { broker: memoryBroker({ engine }), history: { store } } }))
  )
  const onA = await openBlaze(a!.ws('/chat'))
  const onB = await openBlaze(b!.ws('/chat'))
  await Promise.all([next(onA), next(onB)])
  const published = []
  for (let i = 0; i < 50; i++) {
    published.push(a!.app.wsHub.to('lobby').publish(chat, 'said', { text: `a${i}` }))
    published.push(b!.app.wsHub.to('lobby').publish(chat, 'said', { text: `b${i}` }))
  }
  await Promise.all(published)
  for (const client of [onA, onB]) await eventually(() => framesOf(client).length === 100)
  const texts = framesOf(onA).map(({ params }) => params.text)
  expect(framesOf(onB).map(({ params }) => params.text)).toEqual(texts)
  expect(framesOf(onA).map(({ offset }) => offset)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1))
  expect(texts.filter((text) => text?.startsWith('a'))).toEqual(Array.from({ length: 50 }, (_, i) => `a${i}`))
})

test('with a broker and no store, publish says what to configure', async () => {
  const { app } = await serve({ hub: { broker: memoryBroker({ engine: new MemoryEngine() }) } })
  await expect(app.wsHub.to('lobby').publish('x')).rejects.toMatchObject({
    code: 'FST_BLAZE_WS_NO_HISTORY',
    message: expect.stringContaining('redisHistory({ client })')
  })
})

test('the history can be read, asked for its position, and cleared', async () => {
  const { app } = await serve()
  const lobby = app.wsHub.to('lobby')
  const before = await app.wsHub.history.position('lobby')
  expect(before.offset).toBe(0)
  await lobby.publish('text')
  await lobby.publish(chat, 'said', { text: 'x' })
  await lobby.publish(Buffer.from([7]), { type: BinaryMessage })
  const time = expect.any(Number)
  expect(await app.wsHub.history.read('lobby')).toEqual({
    entries: [
      { offset: 1, type: 1, data: 'text', time },
      { offset: 2, type: 'said', data: { text: 'x' }, time },
      { offset: 3, type: 2, data: Buffer.from([7]), time }
    ],
    epoch: before.epoch,
    offset: 3,
    isComplete: true
  })
  expect(await app.wsHub.history.read('lobby', { last: 1 })).toMatchObject({
    entries: [{ offset: 3 }],
    isComplete: true
  })
  expect(await app.wsHub.history.read('lobby', { since: { ...before, offset: 1 }, limit: 1 })).toMatchObject({
    entries: [{ offset: 2 }],
    offset: 2,
    isComplete: false
  })
  await app.wsHub.history.clear('lobby')
  expect(await app.wsHub.history.read('lobby')).toMatchObject({ entries: [], offset: 3, isComplete: false })
  expect(await lobby.publish('next')).toMatchObject({ epoch: before.epoch, offset: 4 })
})

test('an id is stored once', async () => {
  const { app, ws } = await serve()
  const client = await connect(ws('/raw'))
  await eventually(() => app.wsHub.getClientCount('lobby') === 1)
  const lobby = app.wsHub.to('lobby')
  const first = await lobby.publish('x', { id: 'one' })
  expect(await lobby.publish('x', { id: 'one' })).toEqual({ ...first, receivers: 0 })
  await lobby.publish('y')
  await eventually(() => client.messages.length === 2)
  expect(client.messages.map(({ data }) => data)).toEqual(['x', 'y'])
})
