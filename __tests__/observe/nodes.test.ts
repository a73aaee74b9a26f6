import { Redis } from 'ioredis'
import {
  type Broker,
  BinaryMessage,
  createPublisher,
  type HistoryStore,
  memoryBroker,
  MemoryEngine,
  memoryHistory,
  type Publisher
} from '../../src/index.ts'
import { redisBroker, redisHistory } from '../../src/redis.ts'
import { describeWith, Engine, REDIS } from '../cluster/support/engines.ts'
import { talk } from '../contract/support.ts'
import { closeServers, connect, eventually, startServer, type TestServer } from '../support/server.ts'
import { listen, messagesOf, stopListening } from './support.ts'

const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333'

/** The parts of a node: those of one engine reach each other. */
type MakeParts = () => { broker: Broker; store: HistoryStore }

const publishers: Publisher[] = []
afterEach(async () => {
  stopListening()
  await Promise.all(publishers.splice(0).map((publisher) => publisher.close()))
  await closeServers()
})

async function startNode({ broker, store }: ReturnType<MakeParts>): Promise<TestServer> {
  const server = await startServer(
    (app) => {
      app.webSocket('/rooms/:id', async (ws) => {
        app.wsHub.join(ws, ws.context().param('id'))
        for await (const message of ws) void message
      })
      app.webSocketWithContract('/talk', talk, async (ws) => void (await ws.receive()), {
        calls: { echo: (input) => input, rename: () => undefined, nothing: () => undefined }
      })
    },
    { hub: { broker, history: { store } } }
  )
  await server.app.wsHub.cluster.ready()
  return server
}

/** Gives each message that is sent here a trace of its own: the number of the message is its last digit. */
function trace(name: 'broadcast' | 'publish'): void {
  let sent = 0
  listen(name, (message) => {
    if (!message.isRemote) message.traceparent = `${TRACE}${++sent}-01`
  })
}

function traceOf(number: number): string {
  return `${TRACE}${number}-01`
}

function tests(make: MakeParts): void {
  let here: TestServer
  let there: TestServer
  beforeEach(async () => {
    ;[here, there] = await Promise.all([startNode(make()), startNode(make())])
    const clients = await Promise.all(['red', 'blue'].map((room) => connect(there.ws(`/rooms/${room}`))))
    await eventually(() => there.app.wsHub.getClientCount() === clients.length, 'the clients')
    await there.app.wsHub.cluster.ready()
  })

  const remote = <Message extends { isRemote: boolean }>(messages: Message[]): Message[] =>
    messages.filter(({ isRemote }) => isRemote)

  test('the trace of a broadcast travels to the other nodes', async () => {
    const broadcasts = messagesOf('broadcast')
    trace('broadcast')
    here.app.wsHub.broadcast('all')
    here.app.wsHub.to('red').broadcast(Buffer.from('some'), { type: BinaryMessage })
    here.app.wsHub.broadcast('here', { local: true })
    here.app.wsHub.broadcast(talk, 'said', { text: 'event' }, { to: 'blue' })
    await eventually(() => remote(broadcasts).length === 3, 'the broadcasts')
    const common = { hub: there.app.wsHub, isRemote: true, origin: expect.stringMatching(/^[\da-f]{16}$/) }
    const event = JSON.stringify({ jsonrpc: '2.0', method: 'said', params: { text: 'event' } })
    const expected = [
      { to: undefined, recipients: 2, bytes: 3, type: 1, traceparent: traceOf(1), ...common },
      { to: ['red'], recipients: 1, bytes: 4, type: 2, traceparent: traceOf(2), ...common },
      { to: ['blue'], recipients: 1, bytes: event.length, type: 1, traceparent: traceOf(4), ...common }
    ]
    // Messages to different rooms have no common order.
    const byTrace = remote(broadcasts).toSorted((a, b) => (a.traceparent! < b.traceparent! ? -1 : 1))
    expect(byTrace).toEqual(expected)
    expect(broadcasts.filter(({ isRemote }) => !isRemote).map(({ hub, recipients }) => [hub, recipients])).toEqual(
      Array.from({ length: 4 }, () => [here.app.wsHub, 0])
    )
  })

  test('a broadcast without a trace, or with an invalid one, arrives without', async () => {
    const broadcasts = messagesOf('broadcast')
    here.app.wsHub.broadcast('one')
    listen('broadcast', (message) => {
      if (!message.isRemote) message.traceparent = '"}{"'
    })
    here.app.wsHub.broadcast('two')
    await eventually(() => remote(broadcasts).length === 2, 'the broadcasts')
    expect(remote(broadcasts).map(({ traceparent }) => traceparent)).toEqual([undefined, undefined])
  })

  test('each published message has its own trace, also if they are stored in one step', async () => {
    const publications = messagesOf('publish')
    trace('publish')
    const hub = here.app.wsHub.to('red')
    const published = await Promise.all(['one', 'two', 'three!'].map((text) => hub.publish(text)))
    await eventually(() => remote(publications).length === 3, 'the messages')
    expect(remote(publications)).toEqual(
      published.map(({ epoch, offset }, i) => ({
        hub: there.app.wsHub,
        room: 'red',
        position: { epoch, offset },
        bytes: [3, 3, 6][i],
        traceparent: traceOf(i + 1),
        isRemote: true
      }))
    )
  })

  test('a publisher is observed like a hub', async () => {
    const [broadcasts, publications] = [messagesOf('broadcast'), messagesOf('publish')]
    trace('broadcast')
    trace('publish')
    const { broker, store } = make()
    const publisher = createPublisher(broker, { history: { store } })
    publishers.push(publisher)
    await publisher.to('red').broadcast('hello')
    await publisher.to('red').publish('hello')
    await eventually(() => remote(broadcasts).length === 1 && remote(publications).length === 1, 'the messages')
    const own = { traceparent: traceOf(1), isRemote: false, bytes: 5, hub: publisher }
    expect(broadcasts[0]).toEqual({ ...own, to: ['red'], recipients: 0, type: 1 })
    expect(publications[0]).toEqual({ ...own, room: 'red' })
    expect([...remote(broadcasts), ...remote(publications)]).toMatchObject([
      { traceparent: traceOf(1), hub: there.app.wsHub, recipients: 1 },
      { traceparent: traceOf(1), hub: there.app.wsHub }
    ])
  })
}

describe('over memory', () => {
  let engine: MemoryEngine
  let store: HistoryStore
  beforeEach(() => {
    engine = new MemoryEngine()
    store = memoryHistory()
  })
  tests(() => ({ broker: memoryBroker({ engine }), store }))
})

describeWith(REDIS, 'over Redis', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await Engine.redis()
  })
  afterAll(() => engine.close())
  const connectTo = (): Redis => new Redis({ port: engine.port, lazyConnect: true })

  // The store publishes what it stores.
  describe('and its history', () => {
    tests(() => {
      const client = connectTo()
      return { broker: redisBroker({ client }), store: redisHistory({ client }) }
    })
  })

  describe('with a store that does not publish', () => {
    let store: HistoryStore
    beforeEach(() => {
      store = memoryHistory()
    })
    tests(() => ({ broker: redisBroker({ client: connectTo() }), store }))
  })
})
