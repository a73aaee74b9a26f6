import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { defineContract } from '../../src/contract.ts'
import { memoryHistory, MemoryEngine, type HistoryStore } from '../../src/index.ts'
import { lossyBroker, random } from '../cluster/support/lossy.ts'
import { closeServers, eventually, startServer, type TestServer } from '../support/server.ts'
import { type Fault, faultyStore } from './support/faulty-store.ts'
import { FollowedClient, keyOf, type Model } from './support/followed-client.ts'

afterEach(closeServers)

const chat = defineContract({
  name: 'chat',
  fromServer: { said: { type: 'object', properties: { text: { type: 'string' } } } }
})

const NODES = 3
const CLIENTS = 4

type Step =
  | { do: 'publish'; node: number; count: number }
  | { do: 'connect'; client: number; node: number }
  | { do: 'cut' | 'pause' | 'resume'; client: number }
  | { do: 'wait'; time: number }
  | { do: 'clear' | 'lose' }

const node = fc.nat(NODES - 1)
const client = fc.nat(CLIENTS - 1)
const calmSteps: fc.Arbitrary<Step>[] = [
  fc.record({ do: fc.constant('publish' as const), node, count: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ do: fc.constant('connect' as const), client, node }),
  fc.record({ do: fc.constantFrom('cut' as const, 'pause' as const, 'resume' as const), client }),
  fc.record({ do: fc.constant('wait' as const), time: fc.integer({ min: 0, max: 10 }) })
]
const losses: fc.Arbitrary<Step> = fc.record({ do: fc.constantFrom('clear' as const, 'lose' as const) })

interface Run {
  steps: Step[]
  seed: number
  size: number
}

/** Publishes until it succeeds, with the same id. */
async function publish(server: TestServer, text: string): Promise<void> {
  for (;;) {
    try {
      await server.app.wsHub.to('lobby').publish(chat, 'said', { text }, { id: text })
      return
    } catch (error) {
      if ((error as { code?: string }).code !== 'FST_BLAZE_WS_HISTORY_UNAVAILABLE') throw error
    }
  }
}

/** A store that notes what it has stored. A message may be there twice, if it was repeated after the first was trimmed. */
function recorded(store: HistoryStore, model: Model): HistoryStore {
  const append = store.append.bind(store)
  store.append = async (room, messages, options) => {
    const stored = await append(room, messages, options)
    for (const [i, at] of stored.entries()) model.set(keyOf(at), messages[i]!.id)
    return stored
  }
  return store
}

/** Three nodes with one store: each call may fail, and each message between the nodes may be lost, repeated or late. */
async function startNodes(
  { seed, size }: Run,
  store: HistoryStore
): Promise<{ nodes: TestServer[]; heal: () => void }> {
  const chance = random(seed)
  let isHealed = false
  const engine = new MemoryEngine()
  const faults: Fault[] = ['none', 'none', 'none', 'none', 'refused', 'answerLost']
  const nodes: TestServer[] = []
  for (let i = 0; i < NODES; i++) {
    const lossy = lossyBroker(engine)
    lossy.decide = ({ control }) => {
      if (isHealed || control !== undefined) return { copies: 1 }
      return { copies: Math.floor(chance() * 3), ...(chance() < 0.5 && { delay: Math.floor(chance() * 5) }) }
    }
    const faulty = faultyStore(store, () => ({
      fault: isHealed ? 'none' : (faults[Math.floor(chance() * faults.length)] as Fault),
      delay: isHealed ? 0 : Math.floor(chance() * 3)
    }))
    nodes.push(
      await startServer(
        (app) => {
          app.webSocketWithContract('/', chat, async (ws) => void app.wsHub.join(ws, 'lobby'), {
            webSocket: { sendQueueSize: 4 }
          })
        },
        { hub: { broker: lossy.broker, history: { store: faulty, size } } }
      )
    )
  }
  return { nodes, heal: () => (isHealed = true) }
}

async function play(run: Run): Promise<FollowedClient[]> {
  const model: Model = new Map()
  const store = recorded(memoryHistory({ maxBytes: 1024 * 1024 }), model)
  const { nodes, heal } = await startNodes(run, store)
  const clients = Array.from({ length: CLIENTS }, (_, i) => new FollowedClient(`client ${i}`))
  await Promise.all(clients.map((one, i) => one.connect(nodes[i % NODES]!.ws('/'))))
  const under: Promise<unknown>[] = []
  let count = 0
  for (const step of run.steps) {
    if (step.do === 'publish') for (let i = 0; i < step.count; i++) under.push(publish(nodes[step.node]!, `${count++}`))
    else if (step.do === 'connect') under.push(clients[step.client]!.connect(nodes[step.node]!.ws('/')))
    else if (step.do === 'wait') await sleep(step.time)
    else if (step.do === 'clear') under.push(nodes[0]!.app.wsHub.history.clear('lobby').catch(() => {}))
    else if (step.do === 'lose')
      // Another room takes all the memory of the store.
      await store.append('other', [{ id: `${count++}`, body: new Uint8Array(1024 * 1024 - 1_000) }], {
        size: 1,
        ttl: 60_000,
        known: undefined
      })
    else if ('client' in step) clients[step.client]![step.do]()
  }
  await Promise.all(under)
  heal()
  for (const client of clients) client.resume()
  await Promise.all(clients.filter(({ isOpen }) => !isOpen).map((one, i) => one.connect(nodes[i % NODES]!.ws('/'))))
  await publish(nodes[0]!, 'last')
  const { epoch, offset } = await nodes[0]!.app.wsHub.history.position('lobby')
  for (const one of clients)
    await eventually(
      () => one.position?.epoch === epoch && one.position.offset === offset,
      `${one.name} at ${JSON.stringify(one.position)} gets to ${epoch} ${offset}`
    )
  for (const one of clients) {
    one.compare(model)
    one.cut()
  }
  await closeServers()
  return clients
}

const runOf = (steps: fc.Arbitrary<Step>, size: fc.Arbitrary<number>): fc.Arbitrary<Run> =>
  fc.record({ steps: fc.array(steps, { minLength: 10, maxLength: 60, size: 'max' }), seed: fc.nat(), size })

const RUNS = Number(process.env['RUNS'] ?? 15)

test(
  'whatever is cut, lost, repeated and refused, every client gets every message once and in order',
  async () => {
    await fc.assert(
      fc.asyncProperty(runOf(fc.oneof(...calmSteps), fc.constant(1_000)), async (run) => {
        for (const { complaints, gaps } of await play(run))
          expect({ complaints, gaps }).toEqual({ complaints: [], gaps: [] })
      }),
      { numRuns: RUNS }
    )
  },
  20_000 + RUNS * 4_000
)

test(
  'if messages are trimmed, cleared or lost, clients are told, and get everything else once and in order',
  async () => {
    await fc.assert(
      fc.asyncProperty(runOf(fc.oneof(...calmSteps, losses), fc.integer({ min: 1, max: 50 })), async (run) => {
        for (const { complaints, gaps } of await play(run)) {
          expect(complaints).toEqual([])
          for (const gap of gaps) expect(['epoch', 'trimmed']).toContain(gap)
        }
      }),
      { numRuns: RUNS }
    )
  },
  20_000 + RUNS * 4_000
)
