import { setTimeout as sleep } from 'node:timers/promises'
import { errors } from '../../src/internal/errors.ts'
import { keysOf } from '../../src/history/redis/keys.ts'
import { newEpoch } from '../../src/history/store.ts'
import type { Position } from '../../src/rpc/position.ts'
import { redisHistory } from '../../src/redis.ts'
import { eventually } from '../support/server.ts'
import { describeRedis, numbered, TestHistory } from './support/redis.ts'

jest.setTimeout(60_000)
afterEach(() => TestHistory.closeAll())

const STRANGE_ROOMS = [
  'room',
  '',
  '{',
  '}',
  '{}',
  '}{',
  '{}{a}',
  'a{b}c',
  'a{b',
  'a}b',
  '{{b}}',
  'ü𝄞{',
  '\n\0 ',
  'x'.repeat(300)
]

describeRedis('a history over Redis', ({ connect, cli }) => {
  test('numbers messages from 1 within an epoch, and reads them in order', async () => {
    const history = new TestHistory(connect())
    const before = Date.now()
    const [first, second] = await history.append('room', ['a', 'b'])
    const [third] = await history.append('room', 'c')
    expect([first, second, third]).toEqual([1, 2, 3].map((offset) => ({ epoch: first?.epoch, offset, isNew: true })))
    const { position, messages } = await history.read('room')
    expect(position).toEqual({ epoch: first?.epoch, offset: 3 })
    expect(messages.map(({ offset, id, body }) => [offset, id, body.toString()])).toEqual([
      [1, 'a', 'body of a'],
      [2, 'b', 'body of b'],
      [3, 'c', 'body of c']
    ])
    for (const { time } of messages) expect(Math.abs(time - before)).toBeLessThan(30_000)
  })

  test.each([
    ['another type', ['SET', 'x']],
    ['no offset', ['HSET', 'offset', 'x']]
  ])(
    'begins an epoch if another program has spoilt a position with %s, and tells those of other rooms',
    async (_, [command, ...values]) => {
      const prefix = `${expect.getState().currentTestName}:`
      const history = new TestHistory(connect(), prefix)
      const known = await history.last('spoilt', ['a', 'b'])
      await history.append('other', 'a')
      try {
        cli(command as string, keysOf(`${prefix}spoilt`).names[1], ...values)
      } catch {
        // The other servers of a cluster do not have the key.
      }
      const [spoilt, other] = await history.store.positions([
        { room: 'spoilt', known, ttl: 60_000 },
        { room: 'other', known: undefined, ttl: 60_000 }
      ])
      expect(other?.offset).toBe(1)
      expect(spoilt?.offset).toBe(0)
      expect((spoilt?.epoch as string) > known.epoch).toBe(true)
      expect(await history.last('spoilt', 'c')).toEqual({ epoch: spoilt?.epoch, offset: 1, isNew: true })
    }
  )

  test('keeps the bytes of a message', async () => {
    const history = new TestHistory(connect())
    const all = Uint8Array.from({ length: 256 }, (_, i) => i)
    const bodies = [all, all.subarray(13, 100), new Uint8Array(0), new Uint8Array(300_000).fill(0xff)]
    await history.store.append(
      'room',
      bodies.map((body, i) => ({ id: `${i}\r\n\0ü`, body })),
      { size: 10, ttl: 60_000, known: undefined }
    )
    const { messages } = await history.read('room')
    expect(messages.map(({ id }) => id)).toEqual(bodies.map((_, i) => `${i}\r\n\0ü`))
    for (const [i, { body }] of messages.entries()) expect(Buffer.compare(body, bodies[i] as Uint8Array)).toBe(0)
  })

  test('stores an id once while its message is there', async () => {
    const history = new TestHistory(connect())
    const first = await history.append('room', ['a', 'b'], { size: 2 })
    const again = await history.append('room', ['b', 'c', 'c'], { size: 2 })
    expect(again.map(({ offset, isNew }) => [offset, isNew])).toEqual([
      [2, false],
      [3, true],
      [3, false]
    ])
    expect(again[0]?.epoch).toBe(first[0]?.epoch)
    // It was dropped.
    expect(await history.append('room', 'a', { size: 2 })).toMatchObject([{ offset: 4, isNew: true }])
    expect(await history.ids('room')).toEqual(['c', 'a'])
  })

  test.each([1, 7, 100, 250])('keeps exactly the latest %s messages', async (size) => {
    const history = new TestHistory(connect(), `trimmed:${size}:`)
    await history.append('room', numbered(1, 230), { size })
    await history.append('room', numbered(231, 333), { size })
    for (const id of numbered(334, 340)) await history.append('room', id, { size })
    expect(await history.ids('room')).toEqual(numbered(341 - size, 340))
    const [count] = cli('-c', 'HLEN', `{trimmed:${size}:room}:h:i`)
    expect(Number(count)).toBe(size)
    for (const key of 'spi') cli('-c', 'DEL', `{trimmed:${size}:room}:h:${key}`)
  })

  test('drops messages that are too old, and forgets their ids', async () => {
    const history = new TestHistory(connect())
    await history.append('room', ['a', 'b'])
    await sleep(60)
    await history.append('room', 'c')
    expect(await history.ids('room', { ttl: 50 })).toEqual(['c'])
    expect(await history.ids('room')).toEqual(['a', 'b', 'c'])
    expect(await history.append('room', 'a', { ttl: 50 })).toMatchObject([{ offset: 4, isNew: true }])
    expect(await history.ids('room')).toEqual(['c', 'a'])
  })

  test('keeps the position for longer than the messages', async () => {
    const history = new TestHistory(connect())
    const { epoch } = await history.last('room', ['a', 'b'], { ttl: 300 })
    await eventually(async () => (await history.ids('room', { ttl: 300 })).length === 0, 'the end of the messages')
    expect(await history.append('room', 'a', { ttl: 300 })).toEqual([{ epoch, offset: 3, isNew: true }])
    await history.store.positions([{ room: 'room', known: undefined, ttl: 50_000 }])
    await history.append('room', 'b', { ttl: 1 })
    await sleep(50)
    expect((await history.read('room', { ttl: 1 })).position).toEqual({ epoch, offset: 4 })
    await history.append('gone', 'a', { ttl: 1 })
    await sleep(50)
    expect((await history.append('gone', 'a'))[0]?.offset).toBe(1)
  })

  test('reads a part: after an offset, at most so many messages and bytes', async () => {
    const history = new TestHistory(connect())
    await history.append('room', numbered(1, 60), { size: 50 })
    expect(await history.ids('room', { limit: 3 })).toEqual(['11', '12', '13'])
    expect(await history.ids('room', { after: 20, limit: 16 })).toEqual(numbered(21, 36))
    expect(await history.ids('room', { after: 20, limit: 17 })).toEqual(numbered(21, 37))
    expect(await history.ids('room', { after: 58 })).toEqual(['59', '60'])
    expect(await history.ids('room', { after: 60 })).toEqual([])
    expect(await history.ids('room', { after: 1_000 })).toEqual([])
    // Each body has 10 bytes.
    expect(await history.ids('room', { after: 20, maxBytes: 1 })).toEqual(['21'])
    expect(await history.ids('room', { after: 20, maxBytes: 20 })).toEqual(['21', '22'])
    expect(await history.ids('room', { after: 20, maxBytes: 21 })).toEqual(['21', '22', '23'])
  })

  test('begins an epoch in a room that it does not know', async () => {
    const history = new TestHistory(connect())
    const { position, messages } = await history.read('read')
    expect(position).toEqual({ epoch: expect.any(String) as string, offset: 0 })
    expect(messages).toEqual([])
    expect((await history.read('read')).position).toEqual(position)
    const [asked] = await history.store.positions([{ room: 'asked', known: undefined, ttl: 60_000 }])
    expect(await history.append('asked', 'a')).toEqual([{ epoch: asked?.epoch, offset: 1, isNew: true }])
  })

  test('begins an epoch if it is behind its caller', async () => {
    const history = new TestHistory(connect())
    let at: Position = await history.last('room', ['a', 'b'])
    for (const known of [
      { epoch: at.epoch, offset: 2 },
      { epoch: at.epoch, offset: 1 },
      { epoch: at.epoch.slice(0, -1), offset: 9 },
      { epoch: '0', offset: 9 }
    ])
      expect(await history.store.positions([{ room: 'room', known, ttl: 60_000 }])).toEqual([
        { epoch: at.epoch, offset: 2 }
      ])
    for (const knownAt of [
      ({ epoch }: Position) => ({ epoch, offset: 3 }),
      ({ epoch }: Position) => ({ epoch: `${epoch}a`, offset: 0 })
    ]) {
      const known = knownAt(at)
      const [begun] = (await history.store.positions([{ room: 'room', known, ttl: 60_000 }])) as [Position]
      expect(begun.offset).toBe(0)
      expect(begun.epoch > at.epoch && begun.epoch > known.epoch).toBe(true)
      expect(await history.ids('room')).toEqual([])
      at = begun
    }
    const known = { epoch: newEpoch(at.epoch), offset: 5 }
    const appended = await history.last('room', 'a', { known })
    expect(appended).toMatchObject({ offset: 1, isNew: true })
    expect(appended.epoch > known.epoch).toBe(true)
  })

  test('compares epochs as JavaScript does', async () => {
    const history = new TestHistory(connect())
    const { epoch } = await history.last('room', 'a')
    const upper = epoch.toUpperCase()
    const known = { epoch: /[A-Z]/.test(upper) ? upper : '0', offset: 9 }
    expect(await history.store.positions([{ room: 'room', known, ttl: 1_000 }])).toEqual([{ epoch, offset: 1 }])
  })

  test('tells the positions of many rooms in the order of the list', async () => {
    const history = new TestHistory(connect())
    const rooms = numbered(1, 1_234)
    await Promise.all(rooms.slice(0, 20).map((room) => history.append(room, numbered(1, Number(room)))))
    const positions = await history.store.positions(
      rooms.toReversed().map((room) => ({ room, known: undefined, ttl: 60_000 }))
    )
    expect(positions.map(({ offset }) => offset).toReversed()).toEqual(
      rooms.map((room) => (Number(room) <= 20 ? Number(room) : 0))
    )
    expect(await history.store.positions([])).toEqual([])
  })

  test('clears a room and keeps its position', async () => {
    const history = new TestHistory(connect())
    const { epoch } = await history.last('room', ['a', 'b'])
    await history.store.clear('room')
    expect(await history.read('room')).toEqual({ position: { epoch, offset: 2 }, messages: [] })
    expect(await history.append('room', 'a')).toEqual([{ epoch, offset: 3, isNew: true }])
    await history.store.clear('unknown')
  })

  test('counts on beyond what Lua writes without an exponent', async () => {
    const history = new TestHistory(connect(), 'large:')
    const { epoch } = await history.last('room', 'a')
    const offset = 2 ** 53 - 10
    cli('-c', 'HSET', '{large:room}:h:p', 'offset', `${offset}`)
    await history.store.clear('room')
    expect(await history.append('room', ['b', 'c'])).toMatchObject([
      { epoch, offset: offset + 1 },
      { epoch, offset: offset + 2 }
    ])
    expect((await history.append('room', 'b'))[0]).toEqual({ epoch, offset: offset + 1, isNew: false })
    expect(await history.ids('room', { after: offset + 1 })).toEqual(['c'])
    cli('-c', 'DEL', '{large:room}:h:p')
  })

  test('keeps rooms with any name apart', async () => {
    const history = new TestHistory(connect())
    await Promise.all(STRANGE_ROOMS.map((room, i) => history.append(room, [`first of ${i}`, `second of ${i}`])))
    for (const [i, room] of STRANGE_ROOMS.entries())
      expect(await history.ids(room)).toEqual([`first of ${i}`, `second of ${i}`])
    const positions = await history.store.positions(
      STRANGE_ROOMS.map((room) => ({ room, known: undefined, ttl: 1_000 }))
    )
    expect(positions.every(({ offset }) => offset === 2)).toBe(true)
  })

  test('restores the ids if Redis has removed them', async () => {
    const history = new TestHistory(connect(), 'evicted:')
    await history.append('room', ['a', 'b'])
    cli('-c', 'DEL', '{evicted:room}:h:i')
    expect(await history.append('room', 'b')).toMatchObject([{ offset: 2, isNew: false }])
    cli('-c', 'DEL', '{evicted:room}:h:s')
    expect(await history.append('room', 'b')).toMatchObject([{ offset: 3, isNew: true }])
    cli('-c', 'DEL', '{evicted:room}:h:s', '{evicted:room}:h:p', '{evicted:room}:h:i')
  })

  test('runs the calls for a room in their order, also before it is connected', async () => {
    const history = new TestHistory(connect())
    const others = new TestHistory(connect())
    const appended = await Promise.all([
      ...numbered(1, 100).map((id) => history.append('room', id)),
      ...numbered(101, 200).map((id) => others.append('room', id))
    ])
    const offsets = appended.map(([one]) => one?.offset as number)
    for (const part of [offsets.slice(0, 100), offsets.slice(100)]) expect(part).toEqual(part.toSorted((a, b) => a - b))
    expect(offsets.toSorted((a, b) => a - b)).toEqual(numbered(1, 200).map(Number))
  })

  test('connects again after the last user has closed it', async () => {
    const history = redisHistory({ client: connect(), prefix: `${expect.getState().currentTestName}:` })
    const room = { room: 'room', known: undefined, ttl: 60_000 }
    history.open?.()
    history.open?.()
    const [first] = await history.positions([room])
    await history.close?.()
    expect(await history.positions([room])).toEqual([first])
    await history.close?.()
    await history.close?.()
    // Without a user, too.
    expect(await history.positions([room])).toEqual([first])
    history.open?.()
    expect(await history.positions([room])).toEqual([first])
    await history.close?.()
    const clients = (): number => cli('CLIENT', 'LIST', 'TYPE', 'normal').join('\n').split('\n').length
    await eventually(() => clients() === cli('PING').length, 'the end of all connections')
  })
})

test('the options are checked', () => {
  expect(() => redisHistory(undefined as never)).toThrow(errors.INVALID_OPTION)
  expect(() => redisHistory({ client: {} as never })).toThrow(/redisHistory.client/)
  expect(() => redisHistory({ client: {} as never, foo: 1 } as never)).toThrow(errors.INVALID_OPTION)
})
