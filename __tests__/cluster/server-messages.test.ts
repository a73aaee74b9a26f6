import { type Broker, type Cluster, memoryBroker, MemoryEngine, WebSocketHub } from '../../src/index.ts'
import { closeServers, eventually, startServer } from '../support/server.ts'
import { describeBrokers } from './support/brokers.ts'
import { startRooms } from './support/rooms.ts'

afterEach(closeServers)

interface Server {
  cluster: Cluster
  lines: Record<string, unknown>[]
}

/** Makes brokers over one engine. */
function memoryBrokers(): () => Broker {
  const engine = new MemoryEngine()
  return () => memoryBroker({ engine })
}

async function servers(count: number, broker: () => Broker): Promise<Server[]> {
  const started = await Promise.all(
    Array.from({ length: count }, () => startServer(() => {}, { hub: { broker: broker() } }))
  )
  await Promise.all(started.map(({ app }) => app.wsHub.cluster.ready()))
  return started.map(({ app, logs }) => ({ cluster: app.wsHub.cluster, lines: logs as never }))
}

describeBrokers('a message to the other servers', (broker) => {
  test('reaches listeners to its name on the other servers, in order and with its sender', async () => {
    const [a, b, c] = (await servers(3, broker)) as [Server, Server, Server]
    const got: unknown[] = []
    for (const { cluster } of [a, b, c])
      cluster.on('changed', (data, from) => void got.push([cluster.id, data, from.node]))
    c.cluster.on('other', () => got.push('other'))
    a.cluster.send('changed', { key: 'ä€🚀', list: [1, null] })
    a.cluster.send('changed')
    a.cluster.send('unheard', 1)
    await eventually(() => got.length === 4, 'the arrival')
    for (const { cluster } of [b, c]) {
      const here = got.filter((one) => (one as unknown[])[0] === cluster.id)
      expect(here).toEqual([
        [cluster.id, { key: 'ä€🚀', list: [1, null] }, a.cluster.id],
        [cluster.id, undefined, a.cluster.id]
      ])
    }
  })
})

describe('a message to the other servers', () => {
  test('does not reach clients, other hubs, or removed listeners', async () => {
    const engine = new MemoryEngine()
    const [a, b] = await Promise.all([startRooms(memoryBroker({ engine })), startRooms(memoryBroker({ engine }))])
    const named = new WebSocketHub({ broker: memoryBroker({ engine }), name: 'feed' })
    const client = await b.join('x')
    const got: unknown[] = []
    const off = (): void => void got.push('off')
    named.cluster.on('end', () => got.push('named'))
    b.hub.cluster
      .on('end', off)
      .on('end', () => got.push('end'))
      .off('end', off)
      .off('never', off)
    await Promise.all([a.hub.cluster.ready(), named.cluster.ready()])
    a.hub.cluster.send('end')
    await eventually(() => got.length > 0, 'the arrival')
    a.hub.broadcast('to clients')
    expect(await client.next()).toBe('to clients')
    expect(got).toEqual(['end'])
    await named.shutdown(0)
  })

  test('still reaches other listeners if one throws or rejects, which is logged', async () => {
    const [a, b] = (await servers(2, memoryBrokers())) as [Server, Server]
    const got: unknown[] = []
    b.cluster.on('x', () => {
      throw new Error('thrown')
    })
    b.cluster.on('x', async () => Promise.reject(new Error('rejected')))
    b.cluster.on('x', (data) => void got.push(data))
    a.cluster.send('x', 1)
    await eventually(() => got.length === 1, 'the arrival')
    const failures = (): unknown[] => b.lines.filter(({ msg }) => msg === 'listener of hub.cluster failed')
    await eventually(() => failures().length === 2, 'the log lines')
    expect(failures()).toEqual([expect.objectContaining({ message: 'x' }), expect.objectContaining({ message: 'x' })])
  })

  test('is validated before it is sent', async () => {
    const hub = new WebSocketHub()
    const { cluster } = hub
    for (const name of ['', 'x'.repeat(257)]) expect(() => cluster.send(name)).toThrow(RangeError)
    for (const name of [undefined, null, 1, {}]) {
      expect(() => cluster.send(name as never)).toThrow(TypeError)
      expect(() => cluster.on(name as never, () => {})).toThrow(TypeError)
    }
    expect(() => cluster.on('x', undefined as never)).toThrow(TypeError)
    expect(() => cluster.send('x', 'x'.repeat(65_535))).toThrow(
      expect.objectContaining({ code: 'FST_BLAZE_WS_OUT_OF_RANGE' })
    )
    for (const data of [() => {}, Symbol('x'), 1n, JSON.parse('{"__proto__": 1}')])
      expect(() => cluster.send('x', data)).toThrow(TypeError)
    expect(() => cluster.send('x', 'x'.repeat(65_534))).not.toThrow()
    expect(() => cluster.send('x')).not.toThrow()
  })
})
