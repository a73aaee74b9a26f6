import { Members } from '../../src/cluster/members.ts'

const LEASE = 1_000

function membersAt(time: number, ...ids: string[]): Members {
  const members = new Members(() => {})
  for (const id of ids) members.renew(id, LEASE, time)
  return members
}

test('a node that is silent for its lease counts as gone', () => {
  const members = membersAt(0, 'a', 'b')
  members.renew('b', LEASE, 500)
  members.expire(LEASE)
  expect(members.ids()).toEqual(['b'])
})

test('the time that this node was paused does not count against a lease', () => {
  const members = membersAt(0, 'a')
  members.onLag(5_000, 5_100)
  members.expire(5_900)
  expect(members.ids()).toEqual(['a'])
  members.expire(6_000)
  expect(members.ids()).toEqual([])
})

test('messages read after a pause renew a lease, and no longer', () => {
  const members = membersAt(0, 'a')
  // After a pause, Node.js reads sockets before it runs timers.
  members.renew('a', LEASE, 5_100)
  members.onLag(5_000, 5_100)
  members.expire(6_100)
  expect(members.ids()).toEqual([])
})
