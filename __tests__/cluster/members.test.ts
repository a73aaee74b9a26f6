import { Members } from '../../src/cluster/members.ts'

const LEASE = 1_000

function membersAt(time: number, ...ids: string[]): Members {
  const members = new Members(() => {})
  for (const id of ids) members.renew(id, LEASE, time)
  return members
}

test('who is not heard for a lease has gone', () => {
  const members = membersAt(0, 'a', 'b')
  members.renew('b', LEASE, 500)
  members.expire(LEASE)
  expect(members.ids()).toEqual(['b'])
})

test('while a node is held up, no lease ends', () => {
  const members = membersAt(0, 'a')
  members.onLag(5_000, 5_100)
  members.expire(5_900)
  expect(members.ids()).toEqual(['a'])
  members.expire(6_000)
  expect(members.ids()).toEqual([])
})

test('what was waiting when a node was held up counts as heard now, and for no more than a lease', () => {
  const members = membersAt(0, 'a')
  // Node reads sockets first, and then looks at timers.
  members.renew('a', LEASE, 5_100)
  members.onLag(5_000, 5_100)
  members.expire(6_100)
  expect(members.ids()).toEqual([])
})
