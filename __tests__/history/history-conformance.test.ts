import { type Appended, type HistoryStore, memoryBroker, MemoryEngine, memoryHistory } from '../../src/index.ts'
import { type ConformanceTest, historyConformance, type HistoryUnderTest } from '../../src/testing.ts'
import { FAULTS } from './support/broken.ts'
import { UnreliableEngine } from './support/unreliable.ts'

jest.setTimeout(30_000)

/** How a conformance test says that a store has failed it. */
const FAILURE = { name: 'AssertionError' }

function conforms(history: HistoryUnderTest): void {
  test.each(historyConformance(history))('$name', ({ run }) => run())
}

function testOf(history: HistoryUnderTest, name: string): ConformanceTest {
  const found = historyConformance(history).find((one) => one.name === name)
  if (found === undefined) throw new Error(`there is no test with the name ${name}`)
  return found
}

/** Everything that can happen to an engine. */
function underTest(engine = new UnreliableEngine()): Required<HistoryUnderTest> {
  const messages = new MemoryEngine()
  return {
    create: () => engine.create(),
    restart: async () => {},
    lose: async () => engine.lose(),
    interrupt: async () => engine.interrupt(),
    createBroker: () => memoryBroker({ engine: messages })
  }
}

describe('in memory', () => {
  const store = memoryHistory()
  conforms({ create: () => store })
})

describe('an engine that fails', () => {
  conforms(underTest())
})

describe('finds a store that', () => {
  test.each(FAULTS)('%s', async (_, name, fault) => {
    const store = memoryHistory()
    const broken: HistoryStore = {
      append: (...call) => store.append(...call),
      read: (...call) => store.read(...call),
      positions: (rooms) => store.positions(rooms),
      clear: (room) => store.clear(room),
      ...fault(store)
    }
    await expect(testOf({ create: () => broken }, name).run()).rejects.toMatchObject(FAILURE)
  })

  test('is not shared by all processes', async () => {
    const found = testOf(
      { create: () => memoryHistory() },
      'a message that was appended by one store is there for another'
    )
    await expect(found.run()).rejects.toMatchObject(FAILURE)
  })
})

describe('finds an engine that', () => {
  const restarts = 'after a restart of the engine, everything is there and the numbers go on'
  const isAway = 'nothing is fulfilled while the engine is away, every call settles, and no method throws'
  const underWay = 'calls that are under way when the engine stops are settled, and what was promised is true'
  const noClose = 'open does not wait for the engine, and close does not reject without it'
  const publishes = 'each message that is appended is published, new or not, with its position'

  test('forgets in a restart', async () => {
    const engine = new UnreliableEngine()
    const history = { ...underTest(engine), restart: async () => engine.lose() }
    await expect(testOf(history, restarts).run()).rejects.toMatchObject(FAILURE)
  })

  test.each(['append', 'positions'])('gives numbers to others after a loss (%s)', async (method) => {
    const engine = new UnreliableEngine()
    const create = (): HistoryStore => {
      const store = engine.create()
      return {
        ...store,
        append: (room, messages, options) => store.append(room, messages, { ...options, known: undefined }),
        positions: (rooms) => store.positions(rooms.map(({ room, ttl }) => ({ room, known: undefined, ttl })))
      }
    }
    const name = `after a loss, numbers that a caller knows are not given to others: ${method} begins an epoch`
    await expect(testOf({ ...underTest(engine), create }, name).run()).rejects.toMatchObject(FAILURE)
  })

  test.each<[string, string, (store: HistoryStore) => Partial<HistoryStore>]>([
    ['promises what it has not stored', isAway, ({ clear }) => ({ clear: (room) => clear(room).catch(() => {}) })],
    [
      'gives one number to two messages',
      underWay,
      ({ append }) => {
        let last: readonly Appended[] = []
        return {
          append: async (...call) => (last = await append(...call).catch(() => last))
        }
      }
    ],
    ['cannot publish', publishes, () => ({ publishesOver: () => undefined })],
    [
      'publishes without the head',
      publishes,
      ({ append }) => ({
        append: (room, messages, { publish, ...options }) =>
          append(room, messages, { ...options, publish: publish && { ...publish, head: Buffer.alloc(0) } })
      })
    ]
  ])('%s', async (_, name, fault) => {
    const engine = new UnreliableEngine()
    const create = (): HistoryStore => {
      const store = engine.create()
      return { ...store, ...fault(store) }
    }
    await expect(testOf({ ...underTest(engine), create }, name).run()).rejects.toMatchObject(FAILURE)
  })

  test.each<[string, string, Partial<HistoryStore>]>([
    [
      'throws',
      isAway,
      {
        clear() {
          throw new Error('as expected')
        }
      }
    ],
    ['rejects close', noClose, { close: () => Promise.reject(new Error('as expected')) }]
  ])('%s', async (_, name, fault) => {
    const engine = new UnreliableEngine()
    const history = { ...underTest(engine), create: () => ({ ...engine.create(), ...fault }) }
    await expect(testOf(history, name).run()).rejects.toThrow('as expected')
  })
})
