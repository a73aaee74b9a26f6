import { recordOf } from '../../src/brokers/workers/batch.ts'
import type { Notice } from '../../src/brokers/workers/frames.ts'
import { Port, Switchboard } from '../../src/brokers/workers/switchboard.ts'

/** The way to a process that reads nothing until `read` is called. */
class FrozenPort extends Port {
  notices: Notice[] = []
  #done: (() => void)[] = []

  send(notice: Notice, done: () => void): void {
    this.notices.push(notice)
    this.#done.push(done)
  }

  read(): void {
    this.notices = []
    for (const done of this.#done.splice(0)) done()
  }
}

/** The end of a turn, in which notices are sent. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

test('short messages for a process that does not read take no more memory than long ones', async () => {
  const switchboard = new Switchboard()
  const [frozen, writer] = [new FrozenPort(), new FrozenPort()]
  const join = { kind: 'join', number: 1, sample: Buffer.alloc(1) } as const
  switchboard.take({ ...join, member: 'reader', channels: ['news'] }, frozen)
  switchboard.take({ ...join, member: 'writer', channels: [] }, writer)
  const batch = recordOf('news', Buffer.from('short'))
  const publish = async (number: number): Promise<void> => {
    switchboard.take({ kind: 'publish', member: 'writer', number, batch }, writer)
    await turn()
    writer.read()
  }
  for (let i = 2; i < 20_000; i++) await publish(i)
  // Each notice costs more than a kilobyte in the primary, and 16 MiB may wait.
  expect(frozen.notices.length).toBeGreaterThan(1_000)
  expect(frozen.notices.length).toBeLessThan(16 * 1024)
  frozen.read()
  expect(frozen.pending).toBe(0)
  await publish(20_000)
  expect(frozen.notices).toEqual([{ member: 'reader', taken: 1, batch }])
})
