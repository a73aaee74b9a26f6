import { bodyOf } from '../../src/history/content.ts'
import { createPublisher, TextMessage } from '../../src/index.ts'
import { NATS, REDIS } from '../cluster/support/engines.ts'
import { closeServers, connect, eventually, type TestServer } from '../support/server.ts'
import {
  type Deployment,
  DEPLOYMENTS,
  DURABLE,
  endDeployments,
  kill,
  REDIS_DEPLOYMENTS
} from './support/deployments.ts'
import { FollowedClient, keyOf, type Model } from './support/followed-client.ts'
import { chat, publishUntilStored, startNode } from './support/nodes.ts'

jest.setTimeout(30_000)
afterEach(async () => {
  await closeServers()
  await endDeployments()
})

const describeAll = REDIS.isThere && NATS.isThere ? describe : describe.skip

type Pair<T> = readonly [T, T]

async function startTwo(deployment: Deployment, name?: string): Promise<Pair<TestServer>> {
  const [a, b] = [deployment.hub(), deployment.hub()].map((hub) => startNode({ ...hub, name }))
  return [(await a)!, (await b)!]
}

/** Two clients of each node. */
async function follow(nodes: Pair<TestServer>): Promise<FollowedClient[]> {
  return Promise.all(
    [0, 1, 2, 3].map(async (i) => {
      const client = new FollowedClient(`client ${i}`)
      await client.connect(nodes[i % 2 === 0 ? 0 : 1].ws('/'))
      return client
    })
  )
}

/** Waits until all clients have the last message of the lobby. */
async function caughtUp(clients: readonly FollowedClient[], { app }: TestServer): Promise<void> {
  const last = keyOf(await app.wsHub.history.position('lobby'))
  for (const client of clients)
    await eventually(
      () => client.position !== undefined && keyOf(client.position) === last,
      `${client.name} gets to ${last}`
    )
}

function expectNoComplaints(clients: readonly FollowedClient[], model: Model): void {
  for (const client of clients) {
    client.compare(model)
    expect(client.complaints).toEqual([])
  }
}

/** Publishes with all hubs at once, one text after the other, until it is told to stop. */
class Publishing {
  rejections = 0
  readonly #model: Model
  readonly #loops: Promise<void>[]
  #isStopped = false

  constructor(nodes: Pair<TestServer>, model: Model) {
    this.#model = model
    this.#loops = [0, 1, 2, 3, 4, 5].map((i) => this.#publish(nodes[i % 2 === 0 ? 0 : 1], `loop ${i}`))
  }

  /** Resolves when so many more were stored. */
  async storedMore(count: number): Promise<void> {
    const end = this.#model.size + count
    await eventually(() => this.#model.size >= end, `${count} more messages`)
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#loops)
  }

  async #publish({ app }: TestServer, name: string): Promise<void> {
    for (let i = 0; !this.#isStopped; i++)
      await publishUntilStored(app.wsHub, `${name} ${i}`, this.#model, () => this.rejections++)
  }
}

describeAll.each(DEPLOYMENTS)('over %s', (_, start) => {
  test('the clients of both nodes get everything once and in one order, that of the calls', async () => {
    const nodes = await startTwo(await start())
    const clients = await follow(nodes)
    const model: Model = new Map()
    const texts = (node: number): string[] => Array.from({ length: 200 }, (__, i) => `${node} ${i}`)
    await Promise.all(
      nodes.flatMap(({ app }, node) => texts(node).map((text) => publishUntilStored(app.wsHub, text, model)))
    )
    await caughtUp(clients, nodes[0])
    expectNoComplaints(clients, model)
    for (const { got, gaps } of clients) {
      expect(gaps).toEqual([])
      expect(got).toEqual(clients[0]?.got)
      for (const node of [0, 1]) expect(got.filter((text) => text.startsWith(`${node} `))).toEqual(texts(node))
    }
  })

  test('what a process without a hub publishes arrives, in the order of its calls', async () => {
    const deployment = await start()
    const nodes = await startTwo(deployment)
    const clients = await follow(nodes)
    const { broker, history } = deployment.hub()
    const publisher = createPublisher(broker, { history, app: nodes[0].app })
    const published = await Promise.all(
      Array.from({ length: 100 }, (__, i) => publisher.to('lobby').publish(chat, 'said', { text: `${i}` }))
    )
    expect(published.map(({ offset }) => offset)).toEqual(Array.from({ length: 100 }, (__, i) => i + 1))
    await publisher.close()
    await caughtUp(clients, nodes[0])
    expectNoComplaints(clients, new Map(published.map((at, i) => [keyOf(at), `${i}`])))
  })

  test('hubs with different names do not see the rooms of each other', async () => {
    const deployment = await start()
    const [nodes, others] = [await startTwo(deployment), await startTwo(deployment, 'other')]
    const [clients, strangers] = [await follow(nodes), await follow(others)]
    const model: Model = new Map()
    await publishUntilStored(nodes[0].app.wsHub, 'for the first', model)
    await publishUntilStored(others[1].app.wsHub, 'for the others', model)
    await caughtUp(clients, nodes[1])
    await caughtUp(strangers, others[0])
    for (const { got } of clients) expect(got).toEqual(['for the first'])
    for (const { got } of strangers) expect(got).toEqual(['for the others'])
    const { entries } = await others[0].app.wsHub.history.read('lobby')
    expect(entries.map(({ offset, data }) => [offset, data])).toEqual([[1, { text: 'for the others' }]])
  })

  test('a message arrives if its publisher has ended before it told the nodes', async () => {
    const deployment = await start()
    const nodes = await startTwo(deployment)
    const clients = await Promise.all(nodes.map((node) => connect(node.ws('/raw'))))
    for (const { app } of nodes) {
      await eventually(() => app.wsHub.getClientCount('lobby') === 1)
      // The node has asked for the position before, so that it knows it by then.
      await app.wsHub.history.position('lobby')
    }
    await nodes[0].app.wsHub.to('lobby').publish('first')
    for (const client of clients) expect(await client.next()).toBe('first')
    const store = deployment.store()
    store.open?.()
    const body = bodyOf({ type: TextMessage, payload: Buffer.from('last words'), audience: undefined })
    const [at] = await store.append('room:lobby', [{ id: 'x', body }], { size: 1_000, ttl: 600_000, known: undefined })
    await store.close?.()
    expect(at?.offset).toBe(2)
    for (const client of clients) expect(await client.next()).toBe('last words')
  })
})

describeAll.each(REDIS_DEPLOYMENTS)('over %s', (_, start) => {
  test('if the servers are killed, and have everything on the disk, nobody misses anything', async () => {
    const deployment = await start(DURABLE)
    const nodes = await startTwo(deployment)
    const clients = await follow(nodes)
    const model: Model = new Map()
    const publishing = new Publishing(nodes, model)
    for (let outages = 1; outages <= 2; outages++) {
      await publishing.storedMore(50)
      const restart = await kill(deployment)
      const { rejections } = publishing
      await eventually(() => publishing.rejections > rejections, 'rejections')
      await restart()
    }
    await publishing.storedMore(50)
    await publishing.stop()
    await caughtUp(clients, nodes[1])
    expectNoComplaints(clients, model)
    const texts = [...model.values()].toSorted()
    for (const { got, gaps } of clients) {
      expect(gaps).toEqual([])
      expect(got.toSorted()).toEqual(texts)
    }
  })

  test('if the servers lose everything, clients are told, and get what is published afterwards', async () => {
    const deployment = await start()
    const nodes = await startTwo(deployment)
    const clients = await follow(nodes)
    const model: Model = new Map()
    for (let i = 0; i < 10; i++) await publishUntilStored(nodes[0].app.wsHub, `before ${i}`, model)
    await caughtUp(clients, nodes[0])
    const [away] = clients as [FollowedClient]
    away.cut()
    await (
      await kill(deployment)
    )()
    await away.connect(nodes[1].ws('/'))
    for (const { name, gaps } of clients) await eventually(() => gaps.length > 0, `${name} is told`)
    await Promise.all(
      nodes.flatMap(({ app }, node) =>
        Array.from({ length: 10 }, (__, i) => publishUntilStored(app.wsHub, `after ${node} ${i}`, model))
      )
    )
    await caughtUp(clients, nodes[0])
    expectNoComplaints(clients, model)
    for (const { gaps, got } of clients) {
      expect(gaps).toEqual(['epoch'])
      expect(got.length).toBe(30)
    }
  })

  test('if the servers lose everything while it is published, clients are told, and agree in the end', async () => {
    const deployment = await start()
    const nodes = await startTwo(deployment)
    const clients = await follow(nodes)
    const model: Model = new Map()
    const publishing = new Publishing(nodes, model)
    await publishing.storedMore(50)
    await (
      await kill(deployment)
    )()
    for (const { name, gaps } of clients) await eventually(() => gaps.length > 0, `${name} is told`)
    await publishing.storedMore(50)
    await publishing.stop()
    await caughtUp(clients, nodes[0])
    expectNoComplaints(clients, model)
    for (const { gaps } of clients) for (const gap of gaps) expect(gap).toBe('epoch')
  })
})
