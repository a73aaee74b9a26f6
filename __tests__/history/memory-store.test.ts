import fc from 'fast-check'
import { type AppendOptions, type HistoryStore, memoryHistory, type Position, type ReadRange } from '../../src/index.ts'

const KEEP: AppendOptions = { known: undefined, size: 1_000, ttl: 60_000 }
const ALL: ReadRange = { after: 0, limit: 1_000, maxBytes: 1_000_000, ttl: 60_000 }

/** The time that the stores of these tests see. */
let now = 0
beforeEach(() => {
  now = 1_800_000_000_000
  jest.spyOn(Date, 'now').mockImplementation(() => now)
})
afterEach(() => jest.restoreAllMocks())

const message = (id: string, bytes = 0): { id: string; body: Uint8Array } => ({ id, body: new Uint8Array(bytes) })

async function append(store: HistoryStore, room: string, id: string, bytes = 0): Promise<Position> {
  return (await store.append(room, [message(id, bytes)], KEEP))[0] as Position
}

async function idsOf(store: HistoryStore, room: string): Promise<string[]> {
  return (await store.read(room, ALL)).messages.map(({ id }) => id)
}

async function epochOf(store: HistoryStore, room: string, ttl = KEEP.ttl): Promise<string> {
  const [position] = await store.positions([{ room, known: undefined, ttl }])
  return (position as Position).epoch
}

describe('options', () => {
  test.each([
    [{ maxBytes: 1023 }, 'maxBytes'],
    [{ maxBytes: 1.5 }, 'maxBytes'],
    [{ maxBytes: '64MB' }, 'maxBytes'],
    [{ max: 1 }, 'max'],
    [null, 'memoryHistory']
  ])('%j is refused', (options, named) => {
    expect(() => memoryHistory(options as never)).toThrow(
      expect.objectContaining({ code: 'FST_BLAZE_WS_INVALID_OPTION', message: expect.stringContaining(named) })
    )
  })

  test.each([undefined, {}, { maxBytes: undefined }, { maxBytes: 1024 }, { maxBytes: 2 ** 40 }])(
    '%j is accepted',
    async (options) => {
      expect((await append(memoryHistory(options), 'room', 'a')).offset).toBe(1)
    }
  )
})

describe('memory', () => {
  test('the room that was not used for the longest time is forgotten first', async () => {
    const store = memoryHistory({ maxBytes: 10_000 })
    const first: Record<string, Position> = {}
    for (const room of ['a', 'b', 'c']) first[room] = await append(store, room, '1', 1_500)
    await store.read('a', ALL)
    await append(store, 'd', '1', 5_000)
    expect(await idsOf(store, 'a')).toEqual(['1'])
    expect(await idsOf(store, 'd')).toEqual(['1'])
    const again = await epochOf(store, 'b')
    expect(again > (first.b as Position).epoch).toBe(true)
    expect(await idsOf(store, 'b')).toEqual([])
  })

  test('a room that is forgotten begins an epoch that sorts after its last one, at any pace', async () => {
    const store = memoryHistory({ maxBytes: 1_024 })
    const latest = new Map<string, string>()
    for (let i = 0; i < 300; i++) {
      const room = `room ${i % 3}`
      const epoch = await epochOf(store, room)
      expect(epoch > (latest.get(room) ?? '')).toBe(true)
      latest.set(room, epoch)
    }
  })

  test('many rooms without messages are forgotten, too', async () => {
    const store = memoryHistory({ maxBytes: 100_000 })
    const first = await epochOf(store, 'first')
    for (let i = 0; i < 1_000; i++) await epochOf(store, `room ${i}`)
    expect(await epochOf(store, 'first')).not.toBe(first)
  })

  test('the only room loses its oldest messages', async () => {
    const store = memoryHistory({ maxBytes: 10_000 })
    const { epoch } = await append(store, 'room', '0', 3_000)
    for (let i = 1; i < 10; i++) await append(store, 'room', `${i}`, 3_000)
    expect(await idsOf(store, 'room')).toEqual(['8', '9'])
    expect(await append(store, 'room', '0', 3_000)).toEqual({ epoch, offset: 11, isNew: true })
  })

  test('a message that is too large is refused, with those beside it, and changes nothing', async () => {
    const store = memoryHistory({ maxBytes: 10_000 })
    await append(store, 'room', '1', 1_000)
    await append(store, 'other', '1', 1_000)
    const refused = store.append('room', [message('2'), message('3', 10_000)], KEEP)
    await expect(refused).rejects.toThrow(
      expect.objectContaining({ code: 'FST_BLAZE_WS_OUT_OF_RANGE', message: expect.stringContaining('10000') })
    )
    expect([await idsOf(store, 'room'), await idsOf(store, 'other')]).toEqual([['1'], ['1']])
  })

  test('a room whose name alone is too large is forgotten at once', async () => {
    const store = memoryHistory({ maxBytes: 1_024 })
    const room = 'x'.repeat(1_000)
    const first = await epochOf(store, room)
    expect((await epochOf(store, room)) > first).toBe(true)
  })

  test('dropped messages make place for others', async () => {
    const store = memoryHistory({ maxBytes: 10_000 })
    const epoch = await epochOf(store, 'other')
    for (let i = 0; i < 100; i++) {
      await store.append('room', [message(`${i}`, 1_000)], { ...KEEP, size: 2 })
      if (i % 10 === 0) await store.clear('room')
    }
    expect(await epochOf(store, 'other')).toBe(epoch)
  })
})

describe('time', () => {
  test('messages that are too old are not returned, and dropped by the next append', async () => {
    const store = memoryHistory()
    const { epoch } = await append(store, 'room', 'a')
    now += 500
    await append(store, 'room', 'b')
    now += 600
    expect((await store.read('room', { ...ALL, ttl: 1_000 })).messages.map(({ id }) => id)).toEqual(['b'])
    expect(await idsOf(store, 'room')).toEqual(['a', 'b'])
    await store.append('room', [message('a')], { ...KEEP, ttl: 1_000 })
    expect((await store.read('room', ALL)).messages).toMatchObject([
      { id: 'b', offset: 2, time: now - 600 },
      { id: 'a', offset: 3, time: now }
    ])
    expect(await epochOf(store, 'room')).toBe(epoch)
  })

  test('a position is kept for twice the ttl, and forgotten then', async () => {
    const store = memoryHistory()
    const first = await epochOf(store, 'room', 1_000)
    now += 2_000
    expect(await epochOf(store, 'room', 1_000)).toBe(first)
    now += 1_900
    await store.clear('room')
    now += 1_900
    await epochOf(store, 'other')
    expect(await epochOf(store, 'room', 1_000)).toBe(first)
    now += 2_001
    await epochOf(store, 'other')
    expect((await epochOf(store, 'room', 1_000)) > first).toBe(true)
  })

  test('times do not go back if the clock does', async () => {
    const store = memoryHistory()
    await append(store, 'room', 'a')
    now -= 10_000
    await append(store, 'room', 'b')
    const { messages } = await store.read('room', ALL)
    expect(messages.map(({ time }) => time)).toEqual([now + 10_000, now + 10_000])
  })
})

test('an append of nothing applies the retention', async () => {
  const store = memoryHistory()
  for (const id of ['a', 'b', 'c']) await append(store, 'room', id)
  expect(await store.append('room', [], { ...KEEP, size: 1 })).toEqual([])
  expect(await idsOf(store, 'room')).toEqual(['c'])
})

test('the caller may change its bytes', async () => {
  const store = memoryHistory()
  const body = Uint8Array.of(1, 2, 3)
  const appended = store.append('room', [{ id: 'a', body }], KEEP)
  body.fill(0)
  await appended
  expect([...((await store.read('room', ALL)).messages[0]?.body ?? [])]).toEqual([1, 2, 3])
})

describe('compared to a simple model', () => {
  const ROOMS = ['a', 'b', '__proto__']
  const room = fc.constantFrom(...ROOMS)
  const id: fc.Arbitrary<string> = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h')
  const ttl: fc.Arbitrary<number> = fc.constantFrom(5, 100, 10_000)
  const known: fc.Arbitrary<string> = fc.constantFrom('nothing', 'earlier', 'behind', 'here', 'ahead', 'later')
  const step = fc.oneof(
    fc.record({
      do: fc.constant('append' as const),
      room,
      ids: fc.array(id, { minLength: 1, maxLength: 5 }),
      known,
      size: fc.integer({ min: 1, max: 6 }),
      ttl
    }),
    fc.record({
      do: fc.constant('read' as const),
      room,
      after: fc.nat(60),
      limit: fc.integer({ min: 1, max: 5 }),
      maxBytes: fc.nat(30),
      ttl
    }),
    fc.record({ do: fc.constant('ask' as const), room, known, ttl }),
    fc.record({ do: fc.constant('clear' as const), room }),
    fc.record({ do: fc.constant('wait' as const), ms: fc.nat(50) })
  )
  type Step = typeof step extends fc.Arbitrary<infer T> ? T : never
  type Call<Name> = Extract<Step, { do: Name }>

  interface Message {
    id: string
    offset: number
    time: number
    bytes: number
  }

  /** A room as the contract describes it, without a thought of speed. The store chooses the epochs. */
  class Model {
    messages: Message[] = []
    constructor(public position: Position) {}

    /** What a caller knows. */
    known(kind: string): Position | undefined {
      const { epoch, offset } = this.position
      if (kind === 'earlier') return { epoch: epoch.slice(0, -1), offset: offset + 5 }
      if (kind === 'behind') return { epoch, offset: Math.max(0, offset - 1) }
      if (kind === 'here') return { epoch, offset }
      if (kind === 'ahead') return { epoch, offset: offset + 1 }
      return kind === 'later' ? { epoch: `${epoch}0`, offset: 0 } : undefined
    }

    /** Learns the epoch that a call had to begin. */
    learn(epoch: string, kind: string): void {
      if (kind !== 'ahead' && kind !== 'later') return
      if (epoch <= (this.known(kind) as Position).epoch) throw new Error(`${epoch} does not sort after what is known`)
      this.position = { epoch, offset: 0 }
      this.messages = []
    }

    append({ ids, size, ttl }: Call<'append'>): unknown[] {
      const { epoch } = this.position
      this.messages = this.messages.filter(({ time }) => time >= now - ttl)
      const appended = ids.map((id) => {
        const stored = this.messages.find((one) => one.id === id)
        if (stored !== undefined) return { epoch, offset: stored.offset, isNew: false }
        this.messages.push({ id, offset: ++this.position.offset, time: now, bytes: bytesOf(id) })
        return { epoch, offset: this.position.offset, isNew: true }
      })
      this.messages = this.messages.slice(-size)
      return appended
    }

    clear(): void {
      this.messages = []
    }

    read({ after, limit, maxBytes, ttl }: Call<'read'>): Message[] {
      const read: Message[] = []
      let bytes = 0
      for (const one of this.messages) {
        if (one.offset <= after || one.time < now - ttl) continue
        if (read.length === limit || (read.length > 0 && bytes >= maxBytes)) break
        read.push(one)
        bytes += one.bytes
      }
      return read
    }
  }

  const bytesOf = (id: string): number => id.charCodeAt(0) % 10

  /** What the store and the model say. */
  async function pairOf(store: HistoryStore, models: Map<string, Model>, one: Step): Promise<unknown[]> {
    if (one.do === 'wait') return [(now += one.ms), now]
    const model = models.get(one.room) as Model
    if (one.do === 'clear') return [await store.clear(one.room), model.clear()]
    if (one.do === 'read') {
      const { position, messages } = await store.read(one.room, one)
      const read = messages.map(({ id, offset, time, body }) => ({ id, offset, time, bytes: body.length }))
      return [
        [position, read],
        [model.position, model.read(one)]
      ]
    }
    const known = model.known(one.known)
    const answer =
      one.do === 'ask'
        ? await store.positions([{ ...one, known }])
        : await store.append(
            one.room,
            one.ids.map((id) => message(id, bytesOf(id))),
            { ...one, known }
          )
    model.learn((answer[0] as Position).epoch, one.known)
    return [answer, one.do === 'ask' ? [model.position] : model.append(one)]
  }

  test('it does the same', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 100, size: 'max' }), async (steps) => {
        const store = memoryHistory()
        const models = new Map<string, Model>()
        for (const room of ROOMS) {
          const [position] = await store.positions([{ room, known: undefined, ttl: 1e9 }])
          models.set(room, new Model({ ...(position as Position) }))
        }
        for (const one of steps) {
          const [actual, expected] = await pairOf(store, models, one)
          expect(actual).toEqual(expected)
        }
      }),
      { numRuns: 300 }
    )
  })

  test('many messages, most of which are dropped', async () => {
    const store = memoryHistory()
    const model = new Model({ epoch: await epochOf(store, 'room'), offset: 0 })
    for (let i = 0; i < 2_000; i++) {
      const size = i % 500 < 250 ? 150 : 70
      const call = { do: 'append' as const, room: 'room', ids: [`${i}`], known: 'nothing', size, ttl: 1e9 }
      expect(await store.append('room', [message(`${i}`, bytesOf(`${i}`))], { ...KEEP, size })).toEqual(
        model.append(call)
      )
      const range = { after: i - 100, limit: 20, maxBytes: 50, ttl: 1e9 }
      const { messages } = await store.read('room', range)
      expect(messages.map(({ offset }) => offset)).toEqual(
        model.read({ do: 'read', room: 'room', ...range }).map(({ offset }) => offset)
      )
    }
  })

  test('the bodies never take more than the memory, and what was stored last is there', async () => {
    const rooms = ['a', 'b', 'c', 'd']
    const appends = fc.array(fc.tuple(fc.constantFrom(...rooms), fc.nat(4_000)), {
      minLength: 1,
      maxLength: 40,
      size: 'max'
    })
    await fc.assert(
      fc.asyncProperty(appends, async (calls) => {
        const store = memoryHistory({ maxBytes: 10_000 })
        for (const [i, [room, bytes]] of calls.entries()) await append(store, room, `${i}`, bytes)
        const [last] = calls.at(-1) as [string, number]
        expect((await idsOf(store, last)).at(-1)).toBe(`${calls.length - 1}`)
        let total = 0
        for (const room of rooms) {
          const { position, messages } = await store.read(room, ALL)
          for (const { body } of messages) total += body.length
          expect(messages.map(({ offset }) => offset)).toEqual(
            messages.map((_, i) => position.offset - messages.length + 1 + i)
          )
        }
        expect(total).toBeLessThanOrEqual(10_000)
      })
    )
  })
})
