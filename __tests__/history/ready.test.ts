import { setTimeout as sleep } from 'node:timers/promises'
import {
  type HistoryStore,
  memoryBroker,
  MemoryEngine,
  memoryHistory,
  type WebSocketConnection
} from '../../src/index.ts'
import { closeServers, connect, eventually, type TestServer } from '../support/server.ts'
import { AwayStore } from './support/away-store.ts'
import { faultyStore } from './support/faulty-store.ts'
import { startNode } from './support/nodes.ts'

/*
 * `cluster.ready()` after `join`: nothing that another node publishes from then on is missed.
 */

afterEach(closeServers)

async function startNodes(stores: readonly HistoryStore[]): Promise<TestServer[]> {
  const engine = new MemoryEngine()
  return Promise.all(stores.map((store) => startNode({ broker: memoryBroker({ engine }), history: { store } })))
}

test('a message that is published afterwards arrives, even if the store and the other node are slow', async () => {
  const store = memoryHistory()
  const slow = faultyStore(store, () => ({ fault: 'none', delay: 20 }))
  const late = faultyStore(store, () => ({ fault: 'none', delay: 0 }))
  late.append = async (...args) => {
    const appended = await store.append(...args)
    await sleep(100)
    return appended
  }
  const [here, there] = (await startNodes([slow, late])) as [TestServer, TestServer]
  const client = await connect(here.ws('/raw'))
  await eventually(() => here.app.wsHub.getClientCount('lobby') === 1)
  expect(await here.app.wsHub.cluster.ready()).toBe(true)
  await there.app.wsHub.to('lobby').publish('hello')
  expect(await client.next()).toBe('hello')
})

test.each(['refused', 'unanswered'] as const)('it resolves to false if the store is away: %s', async (calls) => {
  const store = new AwayStore(calls)
  const [node] = (await startNodes([store])) as [TestServer]
  store.leave()
  await connect(node.ws('/raw'))
  await eventually(() => node.app.wsHub.getClientCount('lobby') === 1)
  expect(await node.app.wsHub.cluster.ready({ timeout: 100 })).toBe(false)
  expect(await node.app.wsHub.cluster.ready()).toBe(false)
  store.comeBack()
  await eventually(() => node.app.wsHub.cluster.ready())
})

test('it does not wait for a store that no room needs', async () => {
  const store = new AwayStore('unanswered')
  const [node] = (await startNodes([store])) as [TestServer]
  store.leave()
  expect(await node.app.wsHub.cluster.ready()).toBe(true)
})

test('rooms that a refusing store was asked about are not asked about again for each new one', async () => {
  let asked = 0
  const store = memoryHistory()
  store.positions = async (rooms) => {
    asked += rooms.length
    throw new Error('the store is away')
  }
  const [node] = (await startNodes([store])) as [TestServer]
  await connect(node.ws('/raw'))
  await eventually(() => node.app.wsHub.getClientCount('lobby') === 1)
  const [ws] = node.app.wsHub.getClients() as [WebSocketConnection]
  for (let i = 0; i < 200; i++) {
    node.app.wsHub.join(ws, `room ${i}`)
    expect(await node.app.wsHub.cluster.ready()).toBe(false)
  }
  // Again and again, all that wait would be 20 000. The regular check asks about all of them now and then.
  expect(asked).toBeLessThan(5_000)
})
