import { memoryHistory } from '../../src/index.ts'
import { growth } from '../cluster/support/heap.ts'

const KEEP = { known: undefined, size: 1, ttl: 60_000 }
const MEBIBYTE = 1024 * 1024

jest.setTimeout(30_000)

test('dropped messages leave nothing', async () => {
  const store = memoryHistory()
  const body = new Uint8Array(10)
  const append = async (i: number): Promise<unknown> => store.append('room', [{ id: `${i}`, body }], KEEP)
  for (let i = 0; i < 1_000; i++) await append(i)
  expect(await growth(500_000, append)).toBeLessThan(2 * MEBIBYTE)
})

test('forgotten rooms leave nothing', async () => {
  const store = memoryHistory({ maxBytes: MEBIBYTE })
  const ask = async (i: number): Promise<unknown> =>
    store.positions([{ room: `room ${i}`, known: undefined, ttl: 60_000 }])
  for (let i = 0; i < 10_000; i++) await ask(i)
  expect(await growth(100_000, ask)).toBeLessThan(2 * MEBIBYTE)
})
