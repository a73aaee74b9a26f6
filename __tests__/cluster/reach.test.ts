import { WebSocketHub, type Broker, memoryBroker, MemoryEngine } from '../../src/index.ts'
import { defineContract } from '../../src/contract.ts'
import { stall, turn } from '../hub/support/stalled.ts'
import { RawClient } from '../support/raw-client.ts'
import { closeServers, eventually, type TestClient } from '../support/server.ts'
import { describeFewBrokers } from './support/brokers.ts'
import { ClusterProcess, endClusters, Member } from './support/cluster.ts'
import { describeWith, Engine, REDIS } from './support/engines.ts'
import { startRooms, type RoomServer } from './support/rooms.ts'

jest.setTimeout(60_000)
afterEach(closeServers)
afterEach(endClusters)

/** Three nodes that know each other. */
async function startThree(broker: () => Broker): Promise<[RoomServer, RoomServer, RoomServer]> {
  const nodes = (await Promise.all([1, 2, 3].map(() => startRooms(broker(), { slowConsumer: 'dropNewest' })))) as [
    RoomServer,
    RoomServer,
    RoomServer
  ]
  for (const { hub } of nodes) await eventually(async () => (await hub.cluster.nodes()).nodes.length === 3)
  return nodes
}

/** Far more than a test has: whoever waits for it fails. */
const FOREVER = { timeout: 600_000 }

describeFewBrokers('reach', (broker) => {
  test('counts the connections of all nodes, and does not wait for nodes that have none', async () => {
    const [a, b, c] = await startThree(broker)
    const clients = await Promise.all([a.join('x'), b.join('x'), b.join('x'), b.join('y'), c.join('y')])
    const everybody = { nodes: 3, missing: [] }
    expect(await a.hub.to('x').reach('1', FOREVER)).toEqual({ connections: 3, ...everybody })
    expect(await a.hub.to('nobody').reach('2', FOREVER)).toEqual({ connections: 0, ...everybody })
    expect(await a.hub.to(['x', 'y']).reach('3', FOREVER)).toEqual({ connections: 5, ...everybody })
    expect(await a.hub.reach('4', FOREVER)).toEqual({ connections: 5, ...everybody })
    expect(await a.hub.reach('5', { ...FOREVER, to: 'y', except: clients[3].id })).toMatchObject({ connections: 1 })
    expect(await a.hub.to([clients[1].id, clients[4].id]).reach('6', FOREVER)).toMatchObject({ connections: 2 })
    expect(await a.hub.to(clients[1].id).reach('7', FOREVER)).toEqual({ connections: 1, ...everybody })
    expect(await a.hub.to('x').reach('8', { local: true })).toEqual({ connections: 1, nodes: 1, missing: [] })
    // Each client is counted once, whichever of its rooms a message was for.
    b.hub.join(clients[1].id, 'y')
    expect(await a.hub.to(['x', 'y']).reach('9', FOREVER)).toEqual({ connections: 5, ...everybody })
    // It is an ordinary broadcast, in order with the others.
    const all = Array.from({ length: 60 }, (_, i) => `in order ${i}`)
    const reached = all.map(async (text, i) =>
      i % 3 === 0 ? a.hub.to('x').reach(text, FOREVER) : a.hub.to('x').broadcast(text)
    )
    await Promise.all(reached)
    await clients[2].until(() => clients[2].messages.at(-1)?.data === all.at(-1))
    expect(clients[2].messages.map(({ data }) => data).filter((data) => data.startsWith('in'))).toEqual(all)
  })
})

describe('reach', () => {
  const three = (): ReturnType<typeof startThree> => {
    const engine = new MemoryEngine()
    return startThree(() => memoryBroker({ engine }))
  }

  test('counts neither slow clients that drop the message nor clients that have closed', async () => {
    const [a, b] = await three()
    const raw = await new RawClient(b.port).open('/x')
    await eventually(() => b.hub.getClientCount('x') === 1)
    const [ws] = b.hub.getClients('x')
    const closing = await b.join('x')
    expect(await a.hub.to('x').reach('1', FOREVER)).toMatchObject({ connections: 2 })
    await stall(raw, ws!)
    closing.socket.close()
    await closing.close()
    await eventually(() => b.hub.getClientCount('x') === 1)
    expect(await a.hub.to('x').reach('dropped', { ...FOREVER, volatile: true })).toMatchObject({ connections: 0 })
    // What waits in the send queue counts, also in the place of another message.
    for (let i = 0; i < 300; i++)
      expect(await a.hub.to('x').reach(`queued ${i}`, { ...FOREVER, coalesce: 'key' })).toMatchObject({
        connections: 1
      })
    // The queue is full at some time, and further messages are dropped.
    while (b.hub.to('x').broadcast('fill') === 1) await turn()
    expect(await a.hub.to('x').reach('last', FOREVER)).toEqual({ connections: 0, nodes: 3, missing: [] })
  })

  test('events of a contract', async () => {
    const schema = {
      '~standard': {
        version: 1 as const,
        vendor: 'test',
        validate: (value: unknown) =>
          value === undefined ? { issues: [{ message: 'no data' }] } : { value: value as { text: string } }
      }
    }
    const chat = defineContract({ name: 'chat', fromServer: { said: schema } })
    const [a, b] = await three()
    const client: TestClient = await b.join('x')
    expect(await a.hub.to('x').reach(chat, 'said', { text: 'hi' }, FOREVER)).toMatchObject({ connections: 1 })
    expect(await a.hub.reach(chat, 'said', { text: 'all' }, FOREVER)).toMatchObject({ connections: 1 })
    await expect(a.hub.reach(chat, 'said', undefined as never)).rejects.toThrow(TypeError)
    expect(JSON.parse(await client.next())).toMatchObject({ method: 'said', params: { text: 'hi' } })
  })

  test('a hub without a broker counts its own connections', async () => {
    const hub = new WebSocketHub()
    expect(await hub.reach('x')).toEqual({ connections: 0, nodes: 1, missing: [] })
    await hub.shutdown(0)
  })

  test('wrong arguments reject, and nothing is sent', async () => {
    const hub = new WebSocketHub()
    const broken: [unknown[], RegExp][] = [
      [[5], /data.*must be a string, a Uint8Array/],
      [['x', { timeout: -1 }], /timeout.*must be 0 to/],
      [['x', { timeout: '5' }], /timeout.*must be a number/],
      [['x', { filter: () => true }], /options.filter.*is unknown/],
      [['x', { to: '' }], /1 to 256/],
      [['x', { to: undefined }], /room/]
    ]
    for (const [args, message] of broken) await expect(hub.reach(...(args as [string]))).rejects.toThrow(message)
    // One that nobody awaits does not end the process.
    void hub.reach('x', { timeout: -1 })
    await turn()
    await hub.shutdown(0)
  })
})

describeWith(REDIS, 'reach, with processes that fail', () => {
  test('a frozen node is missing until it is known to be dead, and while the engine is away all nodes are', async () => {
    const engine = await Engine.redis()
    const options = { engine: 'ioredis', port: engine.port, lease: 2_000 } as const
    const [a, b, c] = (await Promise.all([1, 2, 3].map(() => ClusterProcess.start(options)))) as [
      ClusterProcess,
      ClusterProcess,
      ClusterProcess
    ]
    await eventually(async () => (await a.others()).length === 3)
    const members = await Promise.all([a, b, c].map((node) => Member.connect(node)))
    await Promise.all(members.map((member) => member.join('x')))
    const ask = (timeout: number): Promise<object> => a.ask<object>('reach', { room: 'x', timeout })
    const [idB, idC] = await Promise.all([b, c].map(async (node) => (await node.report()).id))
    expect(await ask(600_000)).toEqual({ connections: 3, nodes: 3, missing: [] })

    b.signal('SIGSTOP')
    expect(await ask(200)).toEqual({ connections: 2, nodes: 2, missing: [idB] })
    // It is killed while a request waits for it, which ends as soon as its lease is over.
    const waiting = ask(600_000)
    b.signal('SIGKILL')
    expect(await waiting).toEqual({ connections: 2, nodes: 2, missing: [] })
    expect(await ask(600_000)).toEqual({ connections: 2, nodes: 2, missing: [] })

    await engine.signal('SIGKILL')
    await eventually(async () => (await a.report()).events.includes('degraded'))
    expect(await ask(600_000)).toEqual({ connections: 1, nodes: 1, missing: [idC] })
    for (const { socket } of members) socket.terminate()
    await endClusters()
    await engine.close()
  })
})
