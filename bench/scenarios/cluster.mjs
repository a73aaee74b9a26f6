// Two nodes over Redis.

/** Two nodes with 500 clients each. CPU is that of both servers together; that of Redis has its own row. */
const broadcast = (id, title, burst, goal) => ({
  id,
  title,
  kind: 'cluster-broadcast',
  nodes: 2,
  connections: 1000,
  // Without raw net, to save time.
  quick: { warmup: 600, connections: 400, only: ['blaze', 'socket.io'] },
  burst,
  size: 128,
  only: ['blaze', 'net', 'socket.io'],
  goal,
  more: [
    { id: `${id}-rate`, title: 'the same: deliveries', field: 'perSecond', unit: '/s', isHigherBetter: true },
    { id: `${id}-redis`, title: 'the same: CPU of Redis', field: 'redis', unit: 'ns' }
  ]
})

export const cluster = [
  broadcast('cluster-broadcast-1', '2 nodes × 500 over Redis, broadcast of 128 B, one at a time', 1, {
    peer: 'socket.io',
    max: 0.5
  }),
  broadcast('cluster-broadcast-32', '2 nodes × 500 over Redis, in bursts of 32 in one tick', 32, {
    peer: 'socket.io',
    max: 0.5
  }),
  {
    id: 'cluster-latency',
    title: 'from one node to a client of another, 500/s: p50 latency',
    kind: 'cluster-latency',
    nodes: 2,
    only: ['blaze', 'redis', 'socket.io'],
    rate: 500,
    size: 128,
    duration: 5000,
    quick: { duration: 500 },
    goal: { peer: 'redis', isDifference: true },
    more: [
      { id: 'cluster-latency-p99', title: 'the same: p99', field: 'p99', goal: { peer: 'redis', isDifference: true } }
    ]
  }
]
