import { AsyncLocalStorage } from 'node:async_hooks'
import { defineContract } from '../../src/contract.ts'
import { Pacer } from '../../src/hub/pacer.ts'
import { listen, stopListening } from '../observe/support.ts'
import { closeServers, eventually } from '../support/server.ts'
import { startStalled, textsUpTo, turn } from './support/stalled.ts'

afterEach(stopListening)
afterEach(closeServers)

describe('latest', () => {
  test('sends the first value at once, then the newest at its pace, and the last one in any case', async () => {
    const { hub, fast } = await startStalled({})
    const client = await fast()
    const start = performance.now()
    let last = 0
    while (client.messages.length < 5) {
      hub.to('room').latest('cursor', `${++last}`, { every: 20 })
      await turn()
    }
    hub.to('room').latest('cursor', 'final', { every: 20 })
    await client.until(() => client.messages.at(-1)?.data === 'final')
    const values = client.messages.map(({ data }) => data)
    expect(values[0]).toBe('1')
    const numbers = values.slice(0, -1).map(Number)
    expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b))
    // However slow this machine is: not more than the pace allows.
    expect(values.length).toBeLessThanOrEqual((performance.now() - start) / 19 + 1)
    expect(last).toBeGreaterThan(values.length)
  })

  test('sends a value in the context of whoever gave it', async () => {
    const { hub } = await startStalled({})
    const giver = new AsyncLocalStorage<string>()
    const givers: (string | undefined)[] = []
    listen('broadcast', () => givers.push(giver.getStore()))
    for (const name of ['ann', 'bob']) giver.run(name, () => hub.to('room').latest('cursor', name, { every: 20 }))
    await eventually(() => givers.length === 2)
    expect(givers).toEqual(['ann', 'bob'])
  })

  test('each target and key has its own pace', async () => {
    const { hub, fast } = await startStalled({})
    const client = await fast()
    const options = { every: 60_000 }
    for (const round of [1, 2]) {
      hub.to('room').latest('a', `a ${round}`, options)
      hub.to('room').latest('b', Buffer.from(`b ${round}`), options)
      hub.to(['room', 'other']).latest('a', `both ${round}`, options)
      hub.to('other').latest('a', `other ${round}`, options)
    }
    hub.broadcast('end')
    await client.until(() => client.messages.length === 4)
    expect(client.messages.map(({ data }) => data)).toEqual(['a 1', 'b 1', 'both 1', 'end'])
  })

  test('replaces a waiting value at a slow client, also one of broadcast with this key', async () => {
    const { hub, stalled } = await startStalled({ sendQueueSize: 2 })
    const { client } = await stalled()
    hub.to('room').broadcast('first', { coalesce: 'cursor' })
    for (let i = 0; hub.stats().drops < 5; i++) {
      hub.to('room').latest('cursor', `value ${i}`, { every: 1 })
      await turn()
    }
    hub.broadcast('end')
    const texts = await textsUpTo(client, 'end')
    expect(texts).toEqual([expect.stringMatching(/^value/), 'end'])
  })

  test('events of a contract are checked at each call', async () => {
    const schema = {
      '~standard': {
        version: 1 as const,
        vendor: 'test',
        validate: (value: unknown) =>
          typeof (value as { x?: unknown }).x === 'number'
            ? { value: value as { x: number } }
            : { issues: [{ message: 'needs x' }] }
      }
    }
    const board = defineContract({ name: 'board', fromServer: { moved: schema } })
    const { hub, fast } = await startStalled({})
    const client = await fast()
    hub.to('room').latest('ann', board, 'moved', { x: 1 }, { every: 5 })
    expect(() => hub.to('room').latest('ann', board, 'moved', {} as never)).toThrow(TypeError)
    hub.to('room').latest('ann', board, 'moved', { x: 2 }, { every: 5 })
    await client.until(() => client.messages.length === 2)
    expect(client.messages.map(({ data }) => JSON.parse(data) as unknown)).toMatchObject([
      { params: { x: 1 } },
      { params: { x: 2 } }
    ])
  })

  test('wrong arguments throw, and nothing is sent', async () => {
    const { hub, fast } = await startStalled({})
    const client = await fast()
    const target = hub.to('room')
    const broken: [unknown[], RegExp][] = [
      [[5, 'x'], /key.*must be a string/],
      [['', 'x'], /key.*1 to 256 characters/],
      [['k'.repeat(257), 'x'], /key.*1 to 256 characters/],
      [['k', 5], /data.*must be a string, a Uint8Array/],
      [['k', 'x', { every: 0 }], /every.*from 1 to 60000/],
      [['k', 'x', { every: 60_001 }], /every.*from 1 to 60000/],
      [['k', 'x', { every: 1.5 }], /every.*from 1 to 60000/],
      [['k', 'x', { every: '33' }], /every.*must be an integer/],
      [['k', 'x', { filter: () => true }], /options.filter.*is unknown/],
      [['k', 'x', { coalesce: 'k' }], /options.coalesce.*is unknown/],
      [['k', 'x', { to: 'room' }], /options.to.*is unknown/],
      [['k', 'x', { except: 5 }], /except/]
    ]
    for (const [args, message] of broken) expect(() => target.latest(...(args as [string, string]))).toThrow(message)
    hub.broadcast('end')
    expect(await client.next()).toBe('end')
  })

  test('nothing is sent after the hub has shut down', async () => {
    const { hub, fast } = await startStalled({})
    const client = await fast()
    hub.to('room').latest('a', '1', { every: 1 })
    hub.to('room').latest('a', '2', { every: 1 })
    await hub.shutdown(1_000)
    hub.to('room').latest('a', '3', { every: 1 })
    expect(client.messages.map(({ data }) => data)).toEqual(['1'])
  })
})

describe('the pacer', () => {
  test('forgets keys that have no new value', async () => {
    const pacer = new Pacer()
    const sent: number[] = []
    for (const round of [0, 1, 2])
      for (let i = 0; i < 10_000; i++) pacer.send(`${i}`, 1 + (i % 50), () => void sent.push(round))
    expect(pacer.size).toBe(10_000)
    await eventually(() => pacer.size === 0)
    expect([sent.filter((round) => round === 0).length, sent.filter((round) => round === 2).length]).toEqual([
      10_000, 10_000
    ])
    // The timer starts again.
    pacer.send('again', 1, () => {})
    await eventually(() => pacer.size === 0)
  })

  test('a value that sends another one of its key does not lose it', async () => {
    const pacer = new Pacer()
    const sent: number[] = []
    const send = (value: number): void =>
      pacer.send('key', 2, () => {
        sent.push(value)
        if (value < 5) send(value + 1)
      })
    send(1)
    await eventually(() => pacer.size === 0)
    expect(sent).toEqual([1, 2, 3, 4, 5])
  })
})
