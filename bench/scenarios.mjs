// The scenarios. A `goal` is a ratio of our figure to a peer's, both from the same run.
const json = JSON.stringify({
  type: 'price',
  items: Array.from({ length: 8 }, (_, i) => ({
    symbol: `SYM${i}`,
    bid: 101.25 + i,
    ask: 101.5 + i,
    at: 1_700_000_000 + i
  }))
})

export const unit = {
  echo: 'µs',
  broadcast: 'µs',
  idle: 'KiB',
  handshakes: '/s',
  paused: 'ms',
  'cluster-broadcast': 'µs',
  'cluster-latency': 'µs'
}

/** Two nodes with 500 clients each. CPU is that of both servers together; that of Redis has its own row. */
const cluster = (id, title, burst, goal) => ({
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

export const scenarios = [
  {
    id: 'echo-1',
    title: 'echo, 64 connections, 1 in flight, 64 B',
    kind: 'echo',
    connections: 64,
    inFlight: 1,
    size: 64,
    goal: { peer: 'fastify-websocket', max: 1 }
  },
  {
    id: 'echo-16',
    title: 'echo, 64 connections, 16 in flight, 64 B',
    kind: 'echo',
    connections: 64,
    inFlight: 16,
    size: 64,
    goal: { peer: 'fastify-websocket', max: 0.3 }
  },
  {
    id: 'echo-16k',
    title: 'echo, 16 connections, 1 in flight, 16 KiB',
    kind: 'echo',
    connections: 16,
    inFlight: 1,
    size: 16_384,
    goal: { peer: 'fastify-websocket', max: 0.55 }
  },
  {
    id: 'broadcast-1',
    title: 'broadcast of 128 B to 1000, one at a time',
    kind: 'broadcast',
    connections: 1000,
    burst: 1,
    size: 128,
    goal: [
      { peer: 'fastify-websocket', max: 0.88 },
      { peer: 'net', max: 1.15 }
    ]
  },
  {
    id: 'broadcast-32',
    title: 'the same in bursts of 32 in one tick',
    kind: 'broadcast',
    connections: 1000,
    burst: 32,
    size: 128,
    goal: [
      { peer: 'fastify-websocket', max: 0.03 },
      { peer: 'uws', max: 1.2 }
    ]
  },
  {
    id: 'broadcast-4x8',
    title: 'the same, 8 each from 4 publishers in one turn',
    kind: 'broadcast',
    connections: 1000,
    burst: 8,
    publishers: 4,
    size: 128,
    goal: { row: 'broadcast-32', max: 2 }
  },
  {
    id: 'broadcast-rooms',
    title: '100 rooms of 100, each connection in 10, bursts of 32',
    kind: 'broadcast',
    command: 'rooms',
    rooms: true,
    connections: 1000,
    burst: 32,
    size: 128,
    only: ['blaze'],
    goal: { row: 'broadcast-32', max: 2 }
  },
  {
    id: 'deflate-1',
    title: 'broadcast of 512 B JSON to 1000, permessage-deflate',
    kind: 'broadcast',
    connections: 1000,
    burst: 1,
    payload: json.padEnd(512).slice(0, 512),
    deflate: true,
    without: ['net', 'socket.io'],
    goal: [
      { peer: 'ws', max: 0.2 },
      { row: 'plain-512', max: 1.5 }
    ]
  },
  {
    id: 'deflate-32',
    title: 'the same in bursts of 32 in one tick',
    kind: 'broadcast',
    connections: 1000,
    burst: 32,
    payload: json.padEnd(512).slice(0, 512),
    deflate: true,
    without: ['net', 'socket.io'],
    goal: { peer: 'ws', max: 0.2 }
  },
  {
    id: 'plain-512',
    title: 'broadcast of 512 B JSON to 1000, without compression',
    kind: 'broadcast',
    connections: 1000,
    burst: 1,
    payload: json.padEnd(512).slice(0, 512).replaceAll('"', "'")
  },
  {
    id: 'idle',
    title: 'an idle connection (ours: compression negotiated, in a hub)',
    kind: 'idle',
    connections: 10_000,
    quick: { connections: 2_000 },
    deflate: ['blaze'],
    goal: { peer: 'fastify-websocket', max: 1.1 }
  },
  {
    id: 'handshakes',
    title: 'handshakes with 10 000 connections',
    kind: 'handshakes',
    connections: 10_000,
    quick: { connections: 2_000 },
    isHigherBetter: true,
    goal: { peer: 'fastify-websocket', min: 0.95 }
  },
  {
    id: 'paused-0',
    title: 'broadcast to 1000, all read: p99 latency',
    kind: 'paused',
    connections: 1000,
    paused: 0,
    size: 128,
    only: ['blaze']
  },
  {
    id: 'paused-1',
    title: 'broadcast to 1000, one is paused: p99 of the others',
    kind: 'paused',
    connections: 1000,
    paused: 1,
    size: 128,
    only: ['blaze'],
    goal: { row: 'paused-0', max: 1.2 }
  },
  cluster('cluster-broadcast-1', '2 nodes × 500 over Redis, broadcast of 128 B, one at a time', 1, {
    peer: 'socket.io',
    max: 0.5
  }),
  cluster('cluster-broadcast-32', '2 nodes × 500 over Redis, in bursts of 32 in one tick', 32, {
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
