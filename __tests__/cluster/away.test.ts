import { type Broker, memoryBroker, MemoryEngine, type WebSocketConnection } from '../../src/index.ts'
import { errors } from '../../src/internal/errors.ts'
import { closeServers, connect, eventually, startServer } from '../support/server.ts'
import { growth } from './support/heap.ts'

afterEach(closeServers)

/** A memory broker whose engine can be made unavailable. */
function awayBroker(): { broker: Broker; setAway: (isAway: boolean) => void } {
  const broker = memoryBroker({ engine: new MemoryEngine() })
  let isAway = false
  let lost: (error: Error) => void = () => {}
  const gone = (): Error => new errors.BROKER_UNAVAILABLE('away')
  const unlessAway =
    <Args extends unknown[]>(act: (...args: Args) => Promise<void>) =>
    (...args: Args): Promise<void> =>
      isAway ? Promise.reject(gone()) : act(...args)
  const open = broker.open.bind(broker)
  const given: Broker = {
    open(node) {
      lost = (error) => node.lost(error)
      open(node)
    },
    publish: unlessAway((channel, message) => broker.publish(channel, message)),
    subscribe: unlessAway((channels) => broker.subscribe(channels)),
    unsubscribe: unlessAway((channels) => broker.unsubscribe(channels)),
    check: unlessAway(() => broker.check()),
    close: () => broker.close()
  }
  const setAway = (to: boolean): void => {
    isAway = to
    if (to) lost(gone())
  }
  return { broker: given, setAway }
}

const COUNT = 20_000

test.each([
  ['rooms that are opened and left', 'presence'],
  ['calls of list', 'list'],
  ['waiters of ready', 'ready']
] as const)(
  'while the engine is away, %s use no more memory than while it is available',
  async (_, what) => {
    const { broker, setAway } = awayBroker()
    const { app, ws: url } = await startServer(
      (server) => {
        server.webSocket('/', async (ws) => {
          server.wsHub.register(ws)
          await ws.writeText('in')
          for await (const message of ws) void message
        })
      },
      { hub: { broker } }
    )
    await (await connect(url('/'))).next()
    const { wsHub: hub } = app
    const [ws] = hub.getClients() as [WebSocketConnection]
    await eventually(() => hub.cluster.ready())
    const rounds = {
      presence(i: number) {
        hub.presence.set(ws, `room${i}`, 1)
        hub.leave(ws, `room${i}`)
      },
      list: (i: number) => hub.presence.list(`room${i}`),
      ready: () => hub.cluster.ready({ timeout: 20 })
    }
    const round = rounds[what]
    // Warm-up: compiled code and tables grow once.
    await growth(COUNT, round)
    const there = await growth(COUNT, round)
    setAway(true)
    // This subscription is missing now, so that ready has something to wait for.
    hub.join(ws, 'missing')
    const away = await growth(COUNT, (i) => round(i + COUNT))
    expect(await hub.cluster.ready({ timeout: 1 })).toBe(false)
    expect(away).toBeLessThan(Math.max(there, 0) + COUNT * 50)
    setAway(false)
    await eventually(() => !hub.cluster.stats().isDegraded)
    expect(await hub.cluster.ready()).toBe(true)
  },
  60_000
)
