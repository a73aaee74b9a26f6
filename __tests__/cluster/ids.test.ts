import { type Broker, createPublisher, memoryBroker, MemoryEngine, WebSocketHub } from '../../src/index.ts'
import { closeServers, eventually } from '../support/server.ts'
import { describeBrokers } from './support/brokers.ts'
import { type RoomServer, startRooms } from './support/rooms.ts'

afterEach(closeServers)

const NOBODY = '0123456789ab-01234567-89ab-4cde-8f01-23456789abcd'

type Nodes = [a: RoomServer, b: RoomServer]
type RoomClient = Awaited<ReturnType<RoomServer['join']>>

async function twoNodes(broker: () => Broker): Promise<Nodes> {
  return await Promise.all([startRooms(broker()), startRooms(broker())])
}

function tests(broker: () => Broker): void {
  test('a broadcast to ids reaches only these connections, each once, on this node and others', async () => {
    const [a, b] = await twoNodes(broker)
    const [here, there, bystander, other] = await Promise.all([a.join('x'), b.join('x'), b.join('x'), a.join('y')])
    a.hub.to(there.id).broadcast('for one elsewhere')
    a.hub.to(here.id).broadcast('for one here')
    a.hub.broadcastJSON('for both', { to: [here.id, there.id] })
    a.hub.to([here.id, there.id, 'x']).broadcast('for all of x')
    a.hub.to([there.id, here.id, 'y']).broadcast('for y and one', { except: here.id })
    a.hub.to([NOBODY, bystander.id.replace('-', '_')]).broadcast('for nobody')
    // In a Redis Cluster there is no order between channels, but on each of them these are the last.
    const last = (client: { id: string }, room: string): string[] => [`last for ${client.id}`, `last for ${room}`]
    for (const target of ['x', 'y', ...[here, there, bystander, other].map(({ id }) => id)])
      a.hub.to(target).broadcast(`last for ${target}`)
    const expected: [RoomClient, string[]][] = [
      [there, ['for one elsewhere', '"for both"', 'for all of x', 'for y and one', ...last(there, 'x')]],
      [here, ['for one here', '"for both"', 'for all of x', ...last(here, 'x')]],
      [bystander, ['for all of x', ...last(bystander, 'x')]],
      [other, ['for y and one', ...last(other, 'y')]]
    ]
    for (const [client, texts] of expected) {
      await client.until(() =>
        last(client, client === other ? 'y' : 'x').every((text) => client.messages.some(({ data }) => data === text))
      )
      await client.until(() => client.messages.length >= texts.length)
      expect(client.messages.map(({ data }) => data).toSorted()).toEqual(texts.toSorted())
    }
  })

  test('a connection of another node joins and leaves rooms', async () => {
    const [a, b] = await twoNodes(broker)
    const client = await b.join('lobby')
    expect(a.hub.join(client.id, 'game')).toBe(true)
    await eventually(() => b.hub.getClientCount('game') === 1, 'the join')
    await b.hub.cluster.ready()
    a.hub.to('game').broadcast('welcome')
    expect(await client.next()).toBe('welcome')
    a.hub.leave(client.id, 'game')
    await eventually(() => b.hub.getClientCount('game') === 0, 'the leave')
    expect(b.hub.getClientCount('lobby')).toBe(1)
    expect(a.hub.getRooms()).toEqual([])
  })

  test('a connection of another node is disconnected, with its code and reason', async () => {
    const [a, b] = await twoNodes(broker)
    const [first, second] = await Promise.all([b.join('x'), b.join('x')])
    const closed = first.close()
    expect(a.hub.disconnect(first.id, 4_000, 'go')).toBe(0)
    expect(await closed).toEqual(expect.objectContaining({ code: 4_000, reason: 'go' }))
    expect(a.hub.disconnect(second.id, 4_000, 'local', { local: true })).toBe(0)
    a.hub.to(second.id).broadcast('still there')
    expect(await second.next()).toBe('still there')
  })

  test('a publisher sends to ids, and disconnects them', async () => {
    const [, b] = await twoNodes(broker)
    const [client, other] = await Promise.all([b.join('x'), b.join('x')])
    const publisher = createPublisher(broker())
    await publisher.to(client.id).broadcast('for one')
    await publisher.to([client.id, other.id]).broadcast('for the other', { except: client.id })
    expect([await client.next(), await other.next()]).toEqual(['for one', 'for the other'])
    const closed = client.close()
    await publisher.disconnect(client.id, 4_001, 'bye')
    expect(await closed).toEqual(expect.objectContaining({ code: 4_001, reason: 'bye' }))
    await publisher.close()
  })

  test('a named hub reaches its connections on another node by id', async () => {
    const [, b] = await twoNodes(broker)
    const client = await b.join('x')
    const [one, two] = ['feed', 'feed'].map((name) => new WebSocketHub({ broker: broker(), name })) as [
      WebSocketHub,
      WebSocketHub
    ]
    one.register(b.hub.getClients()[0]!)
    await Promise.all([one.cluster.ready(), two.cluster.ready()])
    two.to(client.id).broadcast('over the feed')
    expect(await client.next()).toBe('over the feed')
    one.unregister(b.hub.getClients()[0]!)
    await Promise.all([one.shutdown(0), two.shutdown(0)])
  })
}

describeBrokers('ids as targets', tests)

describe('an id', () => {
  test('names a connection of a hub without a broker', async () => {
    const { hub, join } = await startRooms(memoryBroker())
    const [client, other] = await Promise.all([join('x'), join('x')])
    const ws = hub.getClients(client.id)[0]!
    const alone = new WebSocketHub()
    for (const one of hub.getClients()) alone.register(one)
    expect(alone.to(client.id).broadcast('by id')).toBe(1)
    expect(alone.join(client.id, 'room')).toBe(true)
    expect([alone.rooms(ws), alone.getClientCount(client.id)]).toEqual([['room'], 1])
    expect((await alone.cluster.getClientCount(client.id)).count).toBe(1)
    alone.leave(client.id, 'room')
    expect([alone.rooms(ws), alone.join(NOBODY, 'room'), alone.getClients(NOBODY), alone.disconnect(NOBODY)]).toEqual([
      [],
      false,
      [],
      0
    ])
    const closed = client.close()
    expect(alone.disconnect(client.id)).toBe(1)
    expect((await closed).code).toBe(1_008)
    expect([alone.to(client.id).broadcast('too late'), alone.getClientCount()]).toEqual([0, 1])
    alone.broadcast('end')
    expect(await other.next()).toBe('end')
  })

  test('cannot be joined as a room: a client gets no messages for the id of another', async () => {
    const { hub, join } = await startRooms(memoryBroker())
    const [victim, own] = [await join('x'), await join('x')]
    const ws = hub.getClients(own.id)[0]!
    // A connection may join its own id: it gets those messages anyway.
    expect([hub.join(ws, own.id), hub.join(own.id, own.id), hub.rooms(ws)]).toEqual([true, true, ['x']])
    hub.leave(ws, own.id)
    hub.to(own.id).broadcast('by its own id')
    expect(await own.next()).toBe('by its own id')
    for (const act of [
      () => hub.join(ws, victim.id),
      () => hub.leave(ws, victim.id),
      () => hub.presence.set(ws, victim.id),
      () => hub.join(ws, victim.id.toUpperCase()),
      () => hub.presence.known(NOBODY)
    ]) {
      expect(act).toThrow(expect.objectContaining({ code: 'FST_BLAZE_WS_INVALID_ARGUMENT', closeCode: 1_008 }))
    }
    for (const wrong of ['x', '', 5, null, undefined, {}, [victim.id]]) {
      expect(() => hub.join(wrong as never, 'room')).toThrow(
        expect.objectContaining({ code: 'FST_BLAZE_WS_INVALID_ARGUMENT' })
      )
      expect(() => hub.leave(wrong as never, 'room')).toThrow(
        expect.objectContaining({ code: 'FST_BLAZE_WS_INVALID_ARGUMENT' })
      )
    }
    for (const act of ['join', 'leave'] as const)
      expect(() => hub[act](NOBODY, undefined as never)).toThrow(
        expect.objectContaining({ code: 'FST_BLAZE_WS_INVALID_ARGUMENT', closeCode: 1_008 })
      )
    expect(() => hub.presence.set(victim.id as never, 'room')).toThrow(
      expect.objectContaining({ code: 'FST_BLAZE_WS_INVALID_ARGUMENT' })
    )
  })

  test('of another node joins no room if the request cannot be sent', async () => {
    const broker = memoryBroker({ engine: new MemoryEngine() })
    const hub = new WebSocketHub({ name: 'feed', broker })
    await hub.cluster.ready()
    broker.publish = () => new Promise(() => {})
    const answers = Array.from({ length: 65_536 }, () => hub.join(NOBODY, 'room'))
    expect([answers[0], hub.join(NOBODY, 'room')]).toEqual([true, false])
    await hub.shutdown(0)
    expect(hub.join(NOBODY, 'room')).toBe(false)
  })

  test('that is malformed is quoted in the error', async () => {
    const hub = new WebSocketHub()
    expect(() => hub.join('lobby', 'room')).toThrow('must be a connection or the id of one, got "lobby"')
  })

  test('is more than a UUID: a room may have a UUID as its name', async () => {
    const { hub, join } = await startRooms(memoryBroker())
    const room = '3b241101-e2bb-4255-8caf-4136c566a962'
    const client = await join(room)
    hub.to(room).broadcast('hello')
    expect(await client.next()).toBe('hello')
  })
})
