import fc from 'fast-check'
import { WebSocketHub, type SlowConsumerPolicy, type BroadcastOptions } from '../../src/index.ts'
import { defineContract } from '../../src/contract.ts'
import { closeServers, connect, startServer } from '../support/server.ts'
import { cert, key } from '../support/tls.ts'
import { stall, startStalled, textsUpTo, turn } from './support/stalled.ts'

afterEach(closeServers)

/** A Standard Schema of `{ x: number }`. */
const point = {
  '~standard': {
    version: 1 as const,
    vendor: 'test',
    validate: (value: unknown) => ({ value: value as { x: number } })
  }
}
const count = (length: number, name: string): string[] => Array.from({ length }, (_, i) => `${name} ${i}`)

describe('coalesce', () => {
  const policies: [string, SlowConsumerPolicy][] = [
    ['disconnect', 'disconnect'],
    ['dropNewest', 'dropNewest'],
    ['dropOldest', 'dropOldest'],
    ['catchUp', 'catchUp'],
    ['a function', { coalesce: (data) => data }]
  ]
  test.each(policies)('%s: a slow client gets every stroke, and the newest of each cursor', async (_, slowConsumer) => {
    const { hub, fast, stalled } = await startStalled({ slowConsumer, sendQueueSize: 620 })
    const reader = await fast()
    const { client, ws } = await stalled()
    for (let i = 0; i < 600; i++) {
      hub.to('room').broadcast(`stroke ${i}`)
      hub.to('room').broadcast(`cursor ${i}`, { coalesce: `cursor ${i % 10}` })
      if (i % 7 === 0) await turn()
    }
    hub.to('room').broadcast('end')
    const texts = await textsUpTo(client, 'end')
    expect(texts.filter((text) => text.startsWith('stroke'))).toEqual(count(600, 'stroke'))
    expect(texts.filter((text) => text.startsWith('cursor'))).toEqual(count(600, 'cursor').slice(-10))
    expect([ws.dropped, hub.stats().drops, hub.stats().slowDisconnects]).toEqual([590, 590, 0])
    await reader.until(() => reader.messages.length === 1_201)
  })

  test('a value that is replaced again and again does not make a client slow', async () => {
    const { hub, stalled } = await startStalled({ sendQueueSize: 2 })
    const { client } = await stalled()
    let isSlow = false
    hub.on('slow', () => (isSlow = true))
    for (let i = 0; i < 1_000; i++) {
      hub.broadcast(`a ${i}`, { coalesce: 'a' })
      hub.broadcastJSON({ i }, { coalesce: 'b' })
      await turn()
    }
    expect(await textsUpTo(client, '{"i":999}')).toEqual(['a 999', '{"i":999}'])
    expect(isSlow).toBe(false)
  })

  test('a burst in the turn in which the socket fills up leaves one value in the queue', async () => {
    const { hub, stalled, fast } = await startStalled({ sendQueueSize: 4 })
    const { client } = await stalled()
    const reader = await fast()
    for (let i = 0; i < 2_000; i++) hub.broadcast(`burst ${i}`, { coalesce: 'burst' })
    expect(await textsUpTo(client, 'burst 1999')).toEqual(['burst 1999'])
    // Those who keep up get all of them.
    await reader.until(() => reader.messages.length === 2_000)
  })

  test('messages arrive in the order in which they were sent: the newest value comes last', async () => {
    const { hub, stalled } = await startStalled({ sendQueueSize: 100 })
    const { client } = await stalled()
    for (const [data, options] of [
      ['progress 1', { coalesce: 'job' }],
      ['note', {}],
      ['progress 2', { coalesce: 'job' }],
      ['other', { coalesce: 'other' }],
      ['done', {}]
    ] as [string, BroadcastOptions][])
      hub.to('room').broadcast(data, options)
    expect(await textsUpTo(client, 'done')).toEqual(['note', 'progress 2', 'other', 'done'])
  })

  test('keys belong to a hub and to what the message was sent to', async () => {
    const { hub, stalled } = await startStalled({ sendQueueSize: 100 })
    const { client, ws } = await stalled()
    const other = new WebSocketHub()
    other.join(ws, 'room')
    hub.join(ws, 'second')
    const send = (round: number): void => {
      hub.broadcast(`all ${round}`, { coalesce: 'key' })
      hub.to('room').broadcast(`room ${round}`, { coalesce: 'key' })
      hub.to(['room', 'second']).broadcast(`both ${round}`, { coalesce: 'key' })
      hub.to(['second', 'room']).broadcast(`both again ${round}`, { coalesce: 'key' })
      hub.to(ws.id).broadcast(`id ${round}`, { coalesce: 'key' })
      hub.broadcast(`another key ${round}`, { coalesce: 'key2' })
      other.to('room').broadcast(`other hub ${round}`, { coalesce: 'key' })
    }
    for (let round = 0; round < 3; round++) send(round)
    hub.broadcast('end')
    const expected = ['all 2', 'room 2', 'both again 2', 'id 2', 'another key 2', 'other hub 2', 'end']
    expect(await textsUpTo(client, 'end')).toEqual(expected)
    await other.shutdown(0)
  })

  test('events of a contract, by the key of the caller', async () => {
    const board = defineContract({ name: 'board', fromServer: { moved: point, drawn: point } })
    const { hub, stalled } = await startStalled({ sendQueueSize: 100 })
    const { client } = await stalled()
    for (let x = 0; x < 5; x++) {
      hub.to('room').broadcast(board, 'moved', { x }, { coalesce: 'ann' })
      hub.broadcast(board, 'drawn', { x })
    }
    hub.broadcast('end')
    const texts = (await textsUpTo(client, 'end')).slice(0, -1)
    expect(texts.filter((text) => text.includes('drawn'))).toHaveLength(5)
    expect(texts.filter((text) => text.includes('moved'))).toHaveLength(1)
  })

  test('a key is cheap for a slow client with a long queue', async () => {
    const { hub, stalled } = await startStalled({ sendQueueSize: 40_000 })
    const { client } = await stalled()
    const time = (run: () => void): number => {
      const start = process.cpuUsage()
      run()
      return process.cpuUsage(start).user
    }
    const plain = time(() => {
      for (let i = 0; i < 20_000; i++) hub.broadcast(`stroke ${i}`)
    })
    const keyed = time(() => {
      for (let i = 0; i < 20_000; i++) hub.broadcast(`cursor ${i}`, { coalesce: `${i % 10_000}` })
    })
    // A search through the queue for each message would cost hundreds of times as much.
    expect(keyed).toBeLessThan(10 * plain + 200_000)
    hub.broadcast('end')
    expect(await textsUpTo(client, 'end')).toHaveLength(30_001)
  })
})

describe('volatile', () => {
  test('is dropped for a client that something waits for, which is no slow consumer, and counted', async () => {
    const { hub, fast, stalled } = await startStalled({ sendQueueSize: 4 })
    const reader = await fast()
    const { client, ws } = await stalled()
    let isSlow = false
    hub.on('slow', () => (isSlow = true))
    for (let i = 0; i < 50; i++) {
      expect(hub.to('room').broadcast(`typing ${i}`, { volatile: true })).toBe(1)
      await turn()
    }
    hub.broadcast('end')
    expect(await textsUpTo(client, 'end')).toEqual(['end'])
    expect([isSlow, ws.dropped, hub.stats().drops]).toEqual([false, 50, 50])
    await reader.until(() => reader.messages.length === 51)
    // The client reads again.
    hub.broadcast('back', { volatile: true })
    expect(await textsUpTo(client, 'back')).toEqual(['back'])
  })

  test('a client that keeps up over TLS gets all, although such a socket reports later what it has sent', async () => {
    const { app, port } = await startServer(
      (server) => {
        server.webSocket('/', async (ws) => {
          server.wsHub.register(ws)
          await ws.writeText('hello')
          for await (const message of ws) void message
        })
      },
      { fastify: { https: { cert, key } } as object }
    )
    const client = await connect(`wss://127.0.0.1:${port}/`, [], { ca: cert })
    expect(await client.next()).toBe('hello')
    for (let i = 0; i < 200; i++) {
      app.wsHub.broadcast(`a ${i}`, { volatile: true })
      app.wsHub.broadcast(`b ${i}`, { volatile: true })
      await turn()
    }
    await client.until(() => client.messages.length === 400)
    expect(app.wsHub.stats().drops).toBe(0)
  })
})

test('wrong options throw, and nothing is sent', async () => {
  const { hub, fast } = await startStalled({})
  const client = await fast()
  const broken: [object, RegExp][] = [
    [{ coalesce: 5 }, /coalesce.*must be a string/],
    [{ coalesce: '' }, /coalesce.*1 to 256 characters, got 0/],
    [{ coalesce: 'x'.repeat(257) }, /coalesce.*1 to 256 characters, got 257/],
    [{ coalesce: () => 'x' }, /coalesce.*must be a string/],
    [{ volatile: 1 }, /volatile.*must be a boolean/],
    [{ volatile: true, coalesce: 'x' }, /volatile.*cannot be combined with coalesce/],
    [{ coalese: 'x' }, /options.coalese.*is unknown.*coalesce, volatile/]
  ]
  for (const [options, message] of broken) {
    expect(() => hub.broadcast('x', options)).toThrow(message)
    expect(() => hub.to('room').broadcastJSON('x', options)).toThrow(message)
    await expect(hub.reach('x', options)).rejects.toThrow(message)
  }
  for (const options of [{ coalesce: 'x' }, { volatile: true }, { volatile: false }]) {
    const refused = expect.objectContaining({
      code: 'FST_BLAZE_WS_INVALID_ARGUMENT',
      message: expect.stringContaining('what is published must arrive') as string
    })
    await expect(hub.to('room').publish('x', options as object)).rejects.toEqual(refused)
  }
  expect(hub.broadcast('end', { volatile: false, coalesce: 'x' })).toBe(1)
  expect(await client.next()).toBe('end')
})

type Step = { do: 'plain' | 'volatile' } | { do: 'keyed'; key: number } | { do: 'turn' | 'stall' | 'read' }
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Step>({ do: 'plain' }) },
  { weight: 8, arbitrary: fc.nat(3).map((nat): Step => ({ do: 'keyed', key: nat })) },
  { weight: 2, arbitrary: fc.constant<Step>({ do: 'volatile' }) },
  { weight: 3, arbitrary: fc.constant<Step>({ do: 'turn' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: 'stall' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: 'read' }) }
)

test('what arrives is what was sent, in order, without values that were replaced and volatile messages that would have waited', async () => {
  const { hub, stalled } = await startStalled({ sendQueueSize: 1_000, slowConsumer: 'disconnect' })
  const policies = ['disconnect', 'dropNewest', 'dropOldest'] as const
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 80 }),
      fc.constantFrom(...policies),
      fc.boolean(),
      async (steps, slowConsumer, isLong) => {
        const { client, ws } = await stalled()
        const own = new WebSocketHub({ slowConsumer })
        own.join(ws, 'room')
        const target = own.to('room')
        const sent: { text: string; step: Step; isAccepted: boolean }[] = []
        const dropsBefore = own.stats().drops
        for (const [i, one] of steps.entries()) {
          if (one.do === 'turn') await turn()
          else if (one.do === 'stall') await stall(client, ws)
          else if (one.do === 'read') client.socket.resume()
          else {
            const options =
              one.do === 'keyed' ? { coalesce: `k${one.key}` } : one.do === 'volatile' ? { volatile: true } : {}
            const text = `${i} ${isLong ? 'x'.repeat(3_000) : ''}`
            sent.push({ text, step: one, isAccepted: target.broadcast(text, options) === 1 })
          }
        }
        target.broadcast('end')
        const texts = (await textsUpTo(client, 'end')).slice(0, -1)
        // Nothing is invented, nothing comes twice or out of order.
        expect(sent.map(({ text }) => text).filter((text) => texts.includes(text))).toEqual(texts)
        const arrived = new Set(texts)
        const isLast = (text: string, key: number): boolean =>
          sent.findLast(({ step: other }) => other.do === 'keyed' && other.key === key)?.text === text
        const needed = sent.filter(
          ({ text, step: one, isAccepted }) =>
            one.do === 'plain' || (one.do === 'volatile' && isAccepted) || (one.do === 'keyed' && isLast(text, one.key))
        )
        expect(needed.filter(({ text }) => !arrived.has(text))).toEqual([])
        const refused = sent.filter(({ isAccepted }) => !isAccepted)
        expect(refused.filter(({ text, step: one }) => one.do !== 'volatile' || arrived.has(text))).toEqual([])
        // Every message that is missing was counted.
        expect(own.stats().drops - dropsBefore).toBe(sent.length - texts.length)
        client.socket.destroy()
        await own.shutdown(0)
      }
    ),
    { numRuns: 60 }
  )
  expect(hub.stats().slowDisconnects).toBe(0)
}, 60_000)
