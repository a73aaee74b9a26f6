import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import type { RedisConnection } from '../../src/brokers/redis/driver.ts'
import { libraryOf } from '../../src/brokers/redis/library.ts'
import { ScriptCalls } from '../../src/history/redis/script-calls.ts'
import { SCRIPTS } from '../../src/history/redis/scripts.ts'
import { describeRedis, numbered, TestHistory } from './support/redis.ts'

jest.setTimeout(60_000)
afterEach(() => TestHistory.closeAll())

describeRedis('the scripts of a history', ({ connect, cli, servers }) => {
  test('are sent again if the server forgets them, and calls keep their order', async () => {
    const history = new TestHistory(connect())
    await history.append('room', '0')
    const appended: Promise<number>[] = []
    for (let i = 1; i <= 30; i++) {
      if (i % 10 === 0) cli('SCRIPT', 'FLUSH')
      for (const id of numbered(10 * i, 10 * i + 9))
        appended.push(history.last('room', id).then(({ offset }) => offset))
      // Some are sent before the flush, and some calls are made while others are answered.
      if (i % 3 === 0) await sleep(1)
    }
    expect(await Promise.all(appended)).toEqual(numbered(2, 301).map(Number))
  })

  test('are sent again soon, although further calls come all the time', async () => {
    const history = new TestHistory(connect())
    await history.append('room', '0')
    cli('SCRIPT', 'FLUSH')
    let isDone = false
    const first = history.last('room', '1').finally(() => (isDone = true))
    const later: Promise<number>[] = []
    for (let i = 2; i < 5_000; i++) {
      if (isDone) break
      later.push(history.last('room', `${i}`).then(({ offset }) => offset))
      await nextTurn()
    }
    expect(later.length).toBeLessThan(4_000)
    expect((await first).offset).toBe(2)
    expect(await Promise.all(later)).toEqual(numbered(3, later.length + 2).map(Number))
  })

  test('are sent to a user who may not load them', async () => {
    cli('SCRIPT', 'FLUSH')
    cli('ACL', 'SETUSER', 'default', '-script')
    try {
      const history = new TestHistory(connect())
      expect(await history.last('room', 'a')).toMatchObject({ offset: 1 })
    } finally {
      cli('ACL', 'SETUSER', 'default', '+script')
    }
  })

  test('are not run too late if another client loads them in between', async () => {
    const [library, isCluster] = libraryOf(connect(), 'client')
    if (isCluster) return
    const events = { onMessage() {}, onSlotsMoved() {}, onEnd() {} }
    const [one, other] = [library.createStoreConnection(events), library.createStoreConnection(events)]
    await Promise.all([one.connect(), other.connect()])
    cli('SCRIPT', 'FLUSH')
    let isFirst = true
    /** Loads the script after the first call has reached the server. */
    const meddling: RedisConnection = Object.assign(Object.create(one) as RedisConnection, {
      command: async (args: readonly (string | Buffer)[]) => {
        if (!isFirst) await loaded
        isFirst = false
        return one.command(args)
      }
    })
    const loaded = sleep(50).then(() => other.command(['SCRIPT', 'LOAD', SCRIPTS.positions.source]))
    const calls = new ScriptCalls(meddling)
    const names = (i: number): string[] => [1, 2, 3].map((key) => `{${expect.getState().currentTestName}}${i}${key}`)
    const results = await Promise.allSettled(
      [1, 2].map((i) => calls.run({ script: SCRIPTS.positions, keys: names(i), args: ['1000', 'epoch', '', '0'] }))
    )
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
    one.close()
    other.close()
    expect(servers).toHaveLength(1)
  })
})
