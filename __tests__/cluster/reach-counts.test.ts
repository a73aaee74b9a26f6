import { ReachCounts } from '../../src/cluster/reach-counts.ts'
import { turn } from '../hub/support/stalled.ts'

const ask = (id: number, ...channels: string[]) => ({ type: 'reach' as const, id, channels })

/** The answer so far. */
async function settled(answer: Promise<unknown[]>): Promise<unknown[] | 'pending'> {
  return Promise.race([answer, turn().then(() => 'pending' as const)])
}

describe('the counts of a node', () => {
  const counts = new ReachCounts((channel) => !channel.startsWith('not'))

  test('wait for every copy that the node gets, whatever comes first', async () => {
    counts.onDelivered('x', 'node', 1, 3)
    const answer = counts.answer('node', ask(1, 'x', 'y', 'not here'))
    expect(await settled(answer)).toBe('pending')
    counts.onDelivered('y', 'other', 1, 50)
    counts.onDelivered('y', 'node', 2, 50)
    expect(await settled(answer)).toBe('pending')
    counts.onDelivered('y', 'node', 1, 4)
    expect(await answer).toEqual([7])
    expect(await counts.answer('node', ask(2, 'y'))).toEqual([50])
  })

  test('are 0 at once on a node that gets no copy, or if nothing was sent', async () => {
    expect(await counts.answer('node', ask(3, 'not here'))).toEqual([0])
    expect(await counts.answer('node', ask(4))).toEqual([0])
  })

  test('are bounded if nobody asks', async () => {
    for (let id = 0; id < 5_000; id++) counts.onDelivered('x', 'silent', id, 1)
    expect(await settled(counts.answer('silent', ask(0, 'x')))).toBe('pending')
    expect(await counts.answer('silent', ask(4_999, 'x'))).toEqual([1])
  })
})
