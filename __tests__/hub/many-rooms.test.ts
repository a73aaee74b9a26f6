import { memoryBroker, MemoryEngine, WebSocketHub } from '../../src/index.ts'
import { Deduplicator } from '../../src/hub/deduplicator.ts'
import { closeServers, startServer } from '../support/server.ts'
import { type RoomServer, startRooms, upTo } from '../cluster/support/rooms.ts'

afterEach(closeServers)

const names = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${'long name of a room '.repeat(10)}${i}`)

describe('a broadcast to many rooms', () => {
  test.each([2, 650, 1_024])(
    '%i rooms: reaches each member on other nodes once, with one published copy per room',
    async (count) => {
      const engine = new MemoryEngine()
      const [a, b] = (await Promise.all([1, 2].map(() => startRooms(memoryBroker({ engine }))))) as [
        RoomServer,
        RoomServer
      ]
      const rooms = names(count)
      const clients = await Promise.all([b.join('first'), b.join('last'), b.join('all')])
      const [first, last, all] = ['first', 'last', 'all'].map((room) => b.hub.getClients(room)[0]!)
      b.hub.join(first!, rooms[0]!)
      b.hub.join(last!, rooms.at(-1)!)
      for (const room of rooms) b.hub.join(all!, room)
      await b.hub.cluster.ready()
      const before = a.hub.cluster.stats().published
      a.hub.to(rooms).broadcast('one')
      a.hub.to(rooms).broadcastJSON('two')
      a.hub.broadcast('end')
      for (const client of clients) expect((await upTo(client, 'end')).slice(0, -1)).toEqual(['one', '"two"'])
      const { published, unpublished } = a.hub.cluster.stats()
      expect([published - before >= 2 * count, published - before < 2 * count + 20, unpublished]).toEqual([
        true,
        true,
        0
      ])
    }
  )

  test.each([true, false])(
    '1025 rooms: is refused before anything is delivered (with a broker: %s)',
    async (hasBroker) => {
      const { app } = await startServer(
        (server) => {
          server.webSocket('/', async (ws) => {
            server.wsHub.join(ws, names(1)[0]!)
            await ws.readMessage()
          })
        },
        hasBroker ? { hub: { broker: memoryBroker({ engine: new MemoryEngine() }) } } : {}
      )
      const rooms = names(1_025)
      const broadcast = { code: 'FST_BLAZE_WS_OUT_OF_RANGE' }
      expect(() => app.wsHub.to(rooms).broadcast('x')).toThrow(expect.objectContaining(broadcast))
      expect(() => app.wsHub.broadcast('x', { except: rooms })).toThrow(expect.objectContaining(broadcast))
      expect(() => app.wsHub.disconnect(rooms)).toThrow(expect.objectContaining(broadcast))
      expect(app.wsHub.stats().messagesSent).toBe(0)
      expect(new WebSocketHub().broadcast('x', { to: names(1_024) })).toBe(0)
    }
  )
})

test('old deliveries are forgotten, and a late copy of a forgotten message reaches no client', () => {
  const recipients = new Deduplicator()
  const members = Array.from({ length: 100 }, () => ({}) as never)
  expect(recipients.addRecipients('first', members)).toHaveLength(100)
  expect(recipients.addRecipients('first', members)).toHaveLength(0)
  for (let i = 0; i < 100_000; i++) recipients.addRecipients(`${i}`, members)
  expect(recipients.addRecipients('99999', members)).toHaveLength(0)
  expect(recipients.addRecipients('99000', [{} as never])).toHaveLength(0)
})
