import { setInterval as every } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { type Client, connect } from '../../src/client.ts'
import { defineContract } from '../../src/contract.ts'
import { memoryBroker, MemoryEngine, memoryHistory } from '../../src/index.ts'
import { closeServers, eventually, startServer, type TestServer } from '../support/server.ts'

afterEach(closeServers)

const feed = defineContract({
  name: 'feed',
  fromServer: { said: { type: 'object', properties: { number: { type: 'integer' } } }, welcome: null }
})
const CLIENTS = 40
/** 20 messages a second. */
const PUBLISH_EVERY = 50

test('who moves to another node during a deploy misses nothing and gets nothing twice', async () => {
  const engine = new MemoryEngine()
  const store = memoryHistory()
  const startNode = (): Promise<TestServer> =>
    startServer(
      (app) => {
        app.webSocketWithContract('/', feed, (ws) => {
          app.wsHub.join(ws, 'news')
          return ws.send('welcome')
        })
      },
      {
        hub: { broker: memoryBroker({ engine }), history: { store } },
        shutdown: { spread: 1_000, reconnectWithin: 200 }
      }
    )
  const [old, fresh] = [await startNode(), await startNode()]
  let target = old
  const followed = Array.from({ length: CLIENTS }, () => {
    const heard: number[] = []
    const client: Client<typeof feed> = connect({ url: () => target.ws('/'), WebSocket })
    client.on('said', (data) => heard.push((data as { number: number }).number))
    const gaps: unknown[] = []
    client.on('gap', (gap) => gaps.push(gap))
    return { client, heard, gaps }
  })
  await eventually(() => old.app.wsHub.getClientCount() === CLIENTS)
  target = fresh

  let published = 0
  let isOver = false
  const closing = old.app.close().then(() => eventually(() => fresh.app.wsHub.getClientCount() === CLIENTS))
  void closing.then(() => (isOver = true))
  for await (const _ of every(PUBLISH_EVERY)) {
    await fresh.app.wsHub.to('news').publish(feed, 'said', { number: published++ })
    if (isOver) break
  }
  await closing
  const all = Array.from({ length: published }, (_, number) => number)
  await eventually(() => followed.every(({ heard }) => heard.length >= published))
  for (const { client, heard, gaps } of followed) {
    expect(heard).toEqual(all)
    expect(gaps).toEqual([])
    client.close()
  }
  expect(published).toBeGreaterThan(10)
})
