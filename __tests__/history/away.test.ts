import type { HistoryStore, WebSocketConnection } from '../../src/index.ts'
import { growth } from '../cluster/support/heap.ts'
import { REDIS } from '../cluster/support/engines.ts'
import { closeServers, connect, eventually, type TestClient, type TestServer } from '../support/server.ts'
import { AwayStore } from './support/away-store.ts'
import { DURABLE, endDeployments, REDIS_DEPLOYMENTS } from './support/deployments.ts'
import { FollowedClient, keyOf } from './support/followed-client.ts'
import { chat, startNode, withJoin } from './support/nodes.ts'

jest.setTimeout(60_000)
afterEach(async () => {
  await closeServers()
  await endDeployments()
})

/** A store, and how it goes away and comes back. */
interface Outage {
  store: HistoryStore
  leave(): unknown
  comeBack(): unknown
}

const redisOutage = (leave: NodeJS.Signals) => async (): Promise<Outage> => {
  const [[, start]] = REDIS_DEPLOYMENTS as [(typeof REDIS_DEPLOYMENTS)[number]]
  const { servers, store } = await start(DURABLE)
  const [redis] = servers
  return {
    store: store(),
    leave: () => redis?.signal(leave),
    comeBack: () => (leave === 'SIGSTOP' ? redis?.signal('SIGCONT') : redis?.start())
  }
}

const storeOutage = (calls: 'refused' | 'unanswered') => async (): Promise<Outage> => {
  const store = new AwayStore(calls)
  return { store, leave: () => store.leave(), comeBack: () => store.comeBack() }
}

const OUTAGES: [string, () => Promise<Outage>][] = [
  ['a store that refuses all calls', storeOutage('refused')],
  ['a store that does not answer', storeOutage('unanswered')]
]
if (REDIS.isThere) OUTAGES.push(['Redis, killed', redisOutage('SIGKILL')], ['Redis, frozen', redisOutage('SIGSTOP')])

const UNAVAILABLE = { code: 'FST_BLAZE_WS_HISTORY_UNAVAILABLE' }

const say = ({ app }: TestServer, text: string): Promise<{ epoch: string; offset: number }> =>
  app.wsHub.to('lobby').publish(chat, 'said', { text })

const countOf = ({ logs }: TestServer, text: string): number => logs.filter(({ msg }) => msg.includes(text)).length

/** The timers, sockets and processes that keep this process alive, except those of the test. */
const handles = (): number => process.getActiveResourcesInfo().filter((one) => /Timeout|TCP|Process/.test(one)).length

describe.each(OUTAGES)('away: %s', (_, start) => {
  test('publish rejects, everything else goes on, and the first publish afterwards succeeds', async () => {
    const { store, leave, comeBack } = await start()
    const node = await startNode({ history: { store } })
    const member = new FollowedClient('member')
    await member.connect(node.ws('/'))
    const before = await say(node, 'before')
    await eventually(() => member.got.length === 1)
    await leave()
    const begun = performance.now()
    await expect(say(node, 'never')).rejects.toMatchObject(UNAVAILABLE)
    // The limit is a second. The machine may be slow.
    expect(performance.now() - begun).toBeLessThan(5_000)

    const [plain, late] = await Promise.all([
      connect(node.ws('/raw')),
      connect(withJoin(node.ws('/raw'), { last: 100 }))
    ])
    await eventually(() => node.app.wsHub.getClientCount('lobby') === 3)
    node.app.wsHub.to('lobby').broadcast('still here')
    const hasIt = ({ messages }: TestClient): boolean => messages.some(({ data }) => data === 'still here')
    for (const client of [plain, late]) await eventually(() => hasIt(client), 'the broadcast')
    await Promise.allSettled(Array.from({ length: 20 }, (__, i) => say(node, `never ${i}`)))
    expect(countOf(node, 'history of rooms cannot be reached')).toBe(1)

    await comeBack()
    const after = await say(node, 'after')
    expect(after.epoch).toBe(before.epoch)
    await eventually(() => member.got.includes('after'))
    // A publish that was rejected may have taken effect nevertheless.
    const model = new Map([[keyOf(before), 'before'] as const, [keyOf(after), 'after'] as const])
    expect(member.got.filter((text) => !text.startsWith('never'))).toEqual([...model.values()])
    expect(new Set(member.got).size).toBe(member.got.length)
    expect(member.complaints).toEqual([])
    expect(member.gaps).toEqual([])
    const textsOf = ({ messages }: TestClient): string[] =>
      messages.flatMap(({ data }) => (data === 'still here' ? [] : [JSON.parse(data).params.text as string]))
    await eventually(() => textsOf(late).length === member.got.length)
    expect(textsOf(late)).toEqual(member.got)
    expect(countOf(node, 'history of rooms can be reached again')).toBe(1)
    member.cut()
  })

  test('the application closes in time, every publish is settled, and nothing stays', async () => {
    const { store, leave } = await start()
    const before = handles()
    const node = await startNode({ history: { store } })
    await connect(withJoin(node.ws('/raw'), { last: 10 }))
    await say(node, 'before')
    await leave()
    const underWay = Promise.allSettled(Array.from({ length: 500 }, (__, i) => say(node, `${i}`)))
    const begun = performance.now()
    await node.app.close()
    expect(performance.now() - begun).toBeLessThan(5_000)
    for (const result of await underWay) expect(result).toMatchObject({ status: 'rejected', reason: UNAVAILABLE })
    await eventually(() => handles() <= before, 'the end of all handles')
  })

  test('publishes, joins and reads do not fill the memory', async () => {
    const { store, leave } = await start()
    const node = await startNode({ history: { store } })
    await connect(node.ws('/raw'))
    const { wsHub: hub } = node.app
    await eventually(() => hub.getClientCount('lobby') === 1)
    const [ws] = hub.getClients('lobby') as [WebSocketConnection]
    await leave()
    const count = 1_500
    const round = (i: number): void => {
      const room = `room${i}`
      hub.join(ws, room, { last: 10 })
      void hub
        .to(room)
        .publish('x'.repeat(10_000))
        .catch(() => {})
      void hub.history.read(room).catch(() => {})
      void hub.history.position(room).catch(() => {})
      hub.leave(ws, room)
    }
    const growths: number[] = []
    for (let i = 0; i < 3; i++) growths.push(await growth(count, (j) => round(i * count + j)))
    // The tables are bounded. A leak shows up in every round.
    expect(Math.min(...growths.slice(1))).toBeLessThan(count * 30)
  })
})
