import { setTimeout as sleep } from 'node:timers/promises'
import { type HistoryStore, memoryBroker, MemoryEngine, memoryHistory } from '../../src/index.ts'
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

test('what is published after it arrives, even if the store answers late and the other node tells late', async () => {
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
