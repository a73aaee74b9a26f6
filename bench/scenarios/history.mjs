// What it costs that nothing is missed: publishing instead of broadcasting, and clients that come back.

const publish = (id, title, row) => ({
  id,
  title,
  folder: 'history',
  connections: 1000,
  size: 128,
  only: ['blaze', 'blaze-broadcast'],
  ...row
})

const local = { kind: 'broadcast', goal: { peer: 'blaze-broadcast', max: 1.3 } }
const overRedis = {
  kind: 'cluster-broadcast',
  nodes: 2,
  quick: { warmup: 600, connections: 400 },
  goal: { peer: 'blaze-broadcast', max: 1.5 }
}
const deliveries = (id) => ({
  id: `${id}-rate`,
  title: 'the same: deliveries',
  field: 'perSecond',
  unit: '/s',
  isHigherBetter: true
})

const more = { isHigherBetter: false }

export const history = [
  publish('publish-1', 'publish of 128 B to 1000, memory, one at a time', { ...local, burst: 1 }),
  publish('publish-32', 'the same in bursts of 32 in one tick', { ...local, burst: 32 }),
  publish('publish-redis-1', '2 nodes × 500 over Redis, publish of 128 B, one at a time', {
    ...overRedis,
    burst: 1,
    more: [deliveries('publish-redis-1')]
  }),
  publish('publish-redis-32', '2 nodes × 500 over Redis, in bursts of 32 in one tick', {
    ...overRedis,
    burst: 32,
    more: [deliveries('publish-redis-32')]
  }),
  {
    id: 'resumes',
    title: '10 000 clients come back at once, 50 messages of 128 B each: time',
    kind: 'resumes',
    folder: 'history',
    connections: 10_000,
    missed: 50,
    size: 128,
    path: '/resume',
    only: ['blaze'],
    quick: { title: '2000 clients come back at once, 50 messages of 128 B each: time', connections: 2_000 },
    more: [
      { id: 'resumes-cpu', title: 'the same: CPU of the server', field: 'cpu', unit: 'ms', ...more },
      { id: 'resumes-memory', title: 'the same: more memory at the peak', field: 'peak', unit: 'MiB', ...more },
      { id: 'resumes-reads', title: 'the same: reads from the store', field: 'reads', unit: '', ...more }
    ]
  }
]
