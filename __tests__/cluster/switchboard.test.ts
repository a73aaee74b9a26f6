import { recordOf } from '../../src/brokers/workers/batch.ts'
import type { Notice, Request } from '../../src/brokers/workers/frames.ts'
import type { Line, LineListener } from '../../src/brokers/workers/line.ts'
import { Port, Switchboard } from '../../src/brokers/workers/switchboard.ts'
import { SwitchboardBroker } from '../../src/brokers/workers/switchboard-broker.ts'

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

/** The way to a primary that takes only what joins, until `read` is called. */
class FrozenLine implements Line {
  readonly isConnected = true
  sent = 0
  #isFrozen = true
  #latest: Request | undefined
  #listener: LineListener | undefined

  open(_member: string, listener: LineListener): void {
    this.#listener = listener
  }

  send(request: Request): void {
    this.sent++
    this.#latest = request
    if (request.kind === 'join' || !this.#isFrozen) this.#take(request)
  }

  close(): void {}

  read(): void {
    this.#isFrozen = false
    if (this.#latest !== undefined) this.#take(this.#latest)
  }

  #take({ member, number }: Request): void {
    setImmediate(() => this.#listener?.onNotice({ member, taken: number }))
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

test('short messages for a primary that does not read take no more memory than long ones', async () => {
  const line = new FrozenLine()
  const broker = new SwitchboardBroker(line, 'blaze')
  await broker.check()
  const outcomes: Promise<unknown>[] = []
  for (let i = 0; i < 20_000; i++) {
    outcomes.push(broker.publish('news', Buffer.from('short')).catch((error: Error) => error.message))
    await turn()
  }
  // Each request costs some kilobytes, and 32 MiB may wait.
  expect(line.sent).toBeGreaterThan(1_000)
  expect(line.sent).toBeLessThan(17 * 1024)
  expect(await outcomes.at(-1)).toMatch(/too slowly/)
  line.read()
  expect(await outcomes[0]).toBeUndefined()
  await broker.publish('news', Buffer.from('again'))
  await broker.close()
})
