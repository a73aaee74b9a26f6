import { connect as connectNats } from '@nats-io/transport-node'
import { type Broker, createPublisher } from '../../src/index.ts'
import { natsBroker } from '../../src/nats.ts'
import { closeServers, eventually } from '../support/server.ts'
import { describeWith, Engine, NATS } from '../cluster/support/engines.ts'
import { startRooms } from '../cluster/support/rooms.ts'

/** Clean-up functions, called after the servers are closed. */
const ending: (() => unknown)[] = []
afterEach(async () => {
  await closeServers()
  for (const end of ending.splice(0)) await end()
})

describeWith(NATS, 'hubs over a NATS server that refuses', () => {
  const start = async (config: string): Promise<Engine> => {
    const nats = await Engine.nats(config)
    ending.push(() => nats.close())
    return nats
  }
  const broker = async ({ port }: Engine): Promise<Broker> => {
    const client = await connectNats({
      port,
      user: 'hub',
      pass: 'secret',
      maxReconnectAttempts: -1,
      reconnectTimeWait: 50
    })
    ending.unshift(() => client.close())
    return natsBroker({ client })
  }
  const user = (permissions: string): string =>
    `authorization { users: [{ user: hub, password: secret, permissions: { ${permissions} } }] }`

  test('messages: the hub logs it once and counts each message, and a publisher gets an error', async () => {
    const subject = `blaze.${Buffer.from('room:secret').toString('base64url')}`
    const nats = await start(user(`publish: { deny: ["${subject}"] }`))
    const node = await startRooms(await broker(nats))
    await node.join('lobby')
    expect(await node.hub.cluster.ready({ timeout: 5_000 })).toBe(true)
    const { unpublished } = node.hub.cluster.stats()
    for (let i = 0; i < 3; i++) node.hub.to('secret').broadcast('hello')
    await eventually(
      () => node.hub.cluster.stats().unpublished === unpublished + 3,
      'the count of unpublished messages'
    )
    expect(
      node.logs.filter(({ level, err }) => level >= 40 && /permissions violation/i.test(JSON.stringify(err)))
    ).toHaveLength(1)
    expect(node.hub.cluster.stats().isDegraded).toBe(false)
    const publisher = createPublisher(await broker(nats))
    ending.unshift(() => publisher.close())
    await expect(publisher.to('secret').broadcast('hello')).rejects.toThrow(/permissions violation/i)
    await publisher.to('lobby').broadcast('hello')
  })

  test('subscriptions: the hub is degraded and not ready until it is below the limit', async () => {
    // A node has three subscriptions of its own, and one for the room of its client.
    const nats = await start(`max_subscriptions: 5\n${user('')}`)
    const node = await startRooms(await broker(nats))
    const events: string[] = []
    for (const event of ['degraded', 'recovered'] as const) node.hub.on(event, () => events.push(event))
    await node.join('lobby')
    const [ws] = node.hub.getClients()
    node.hub.join(ws!, 'too much')
    await eventually(() => node.hub.cluster.stats().isDegraded, 'the report of the refusal')
    expect(await node.hub.cluster.ready({ timeout: 500 })).toBe(false)
    expect(
      node.logs.filter(({ level, err }) => level >= 40 && /subscriptions exceeded/i.test(JSON.stringify(err)))
    ).toHaveLength(1)
    node.hub.leave(ws!, 'too much')
    await eventually(() => !node.hub.cluster.stats().isDegraded, 'the recovery')
    expect(await node.hub.cluster.ready({ timeout: 5_000 })).toBe(true)
    expect(events).toEqual(['degraded', 'recovered'])
  })
})
