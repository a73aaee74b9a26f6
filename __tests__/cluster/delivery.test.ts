import { type Broker, createPublisher, memoryBroker } from '../../src/index.ts'
import { stall, textsUpTo } from '../hub/support/stalled.ts'
import { RawClient } from '../support/raw-client.ts'
import { closeServers, eventually } from '../support/server.ts'
import { describeFewBrokers } from './support/brokers.ts'
import { startRooms } from './support/rooms.ts'

jest.setTimeout(60_000)
afterEach(closeServers)

describeFewBrokers('keyed and volatile messages of other nodes and of publishers', (broker: () => Broker) => {
  test('replace what waits for a slow client, or are dropped', async () => {
    const [a, b] = await Promise.all([1, 2].map(() => startRooms(broker(), { slowConsumer: 'disconnect' })))
    const publisher = createPublisher(broker())
    const client = await new RawClient(b!.port).open('/x')
    await eventually(() => b!.hub.getClientCount('x') === 1)
    const [ws] = b!.hub.getClients('x')
    b!.hub.join(ws!, 'y')
    await b!.hub.cluster.ready()
    const id = (await client.frame()).payload.toString()
    await stall(client, ws!)
    for (let i = 0; i < 100; i++) {
      a!.hub.to('x').broadcast(`stroke ${i}`)
      a!.hub.to('x').broadcast(`cursor ${i}`, { coalesce: 'cursor' })
      a!.hub.to(['x', 'y']).broadcast(`both ${i}`, { coalesce: 'cursor' })
      a!.hub.to(id).broadcastJSON(`id ${i}`, { coalesce: 'cursor' })
      a!.hub.broadcast(`volatile ${i}`, { volatile: true })
      await publisher.to('x').broadcast(`publisher ${i}`, { coalesce: 'publisher' })
      await publisher.broadcast(`volatile publisher ${i}`, { volatile: true })
    }
    // Each channel has an end of its own: in a Redis Cluster, they have no order among each other.
    a!.hub.to('x').broadcast('end of x')
    await eventually(() => b!.hub.stats().messagesSent + b!.hub.stats().drops >= 7 * 100 + 4 * 99 + 1)
    b!.hub.broadcast('end', { local: true })
    const texts = await textsUpTo(client, 'end')
    const strokes = Array.from({ length: 100 }, (_, i) => `stroke ${i}`)
    expect(texts.filter((text) => text.startsWith('stroke'))).toEqual(strokes)
    const others = texts.filter((text) => !text.startsWith('stroke')).toSorted()
    expect(others).toEqual(['"id 99"', 'both 99', 'cursor 99', 'end', 'end of x', 'publisher 99'])
    expect(b!.hub.stats().drops).toBe(4 * 99 + 200)
    await publisher.close()
  })

  test('latest: the node of the sender keeps the pace', async () => {
    const [a, b] = await Promise.all([1, 2].map(() => startRooms(broker())))
    const client = await b!.join('x')
    for (let i = 0; i < 10; i++) a!.hub.to('x').latest('cursor', `${i}`, { every: 10 })
    expect([await client.next(), await client.next()]).toEqual(['0', '9'])
  })
})

test('a publisher rejects wrong options', async () => {
  const publisher = createPublisher(memoryBroker())
  await expect(publisher.broadcast('x', { coalesce: '' })).rejects.toThrow(/coalesce.*1 to 256/)
  await expect(publisher.to('x').broadcast('x', { volatile: 'yes' as never })).rejects.toThrow(/volatile.*boolean/)
  await expect(publisher.to('x').publish('x', { volatile: true } as object)).rejects.toThrow(/must arrive/)
  await publisher.close()
})
