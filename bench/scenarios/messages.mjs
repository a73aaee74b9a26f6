// Echoes and broadcasts, with and without compression.

const json = JSON.stringify({
  type: 'price',
  items: Array.from({ length: 8 }, (_, i) => ({
    symbol: `SYM${i}`,
    bid: 101.25 + i,
    ask: 101.5 + i,
    at: 1_700_000_000 + i
  }))
})
  .padEnd(512)
  .slice(0, 512)

export const messages = [
  {
    id: 'echo-1',
    title: 'echo, 64 connections, 1 in flight, 64 B',
    kind: 'echo',
    connections: 64,
    inFlight: 1,
    size: 64,
    goal: [
      { peer: 'fastify-websocket', max: 0.75 },
      { peer: 'net', max: 1.05 }
    ]
  },
  {
    id: 'echo-16',
    title: 'echo, 64 connections, 16 in flight, 64 B',
    kind: 'echo',
    connections: 64,
    inFlight: 16,
    size: 64,
    goal: [
      { peer: 'uws', max: 1 },
      { peer: 'fastify-websocket', max: 0.13 }
    ]
  },
  {
    id: 'echo-16k',
    title: 'echo, 16 connections, 1 in flight, 16 KiB',
    kind: 'echo',
    connections: 16,
    inFlight: 1,
    size: 16_384,
    goal: [
      { peer: 'net', max: 1.15 },
      { peer: 'fastify-websocket', max: 0.35 }
    ]
  },
  {
    id: 'echo-deflate',
    title: 'echo, 64 connections, 1 in flight, 512 B JSON, deflate',
    kind: 'echo',
    connections: 64,
    inFlight: 1,
    payload: json,
    deflate: true,
    only: ['blaze', 'ws', 'fastify-websocket', 'uws'],
    goal: { peer: 'ws', max: 0.6 }
  },
  {
    id: 'broadcast-1',
    title: 'broadcast of 128 B to 1000, one at a time',
    kind: 'broadcast',
    connections: 1000,
    burst: 1,
    size: 128,
    goal: [
      { peer: 'fastify-websocket', max: 0.85 },
      { peer: 'net', max: 1.1 }
    ]
  },
  {
    id: 'broadcast-32',
    title: 'the same in bursts of 32 in one tick',
    kind: 'broadcast',
    connections: 1000,
    burst: 32,
    size: 128,
    goal: { peer: 'net', max: 1.1 }
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
    rooms: { count: 100, size: 100 },
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
    payload: json,
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
    payload: json,
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
    payload: json.replaceAll('"', "'")
  }
]
