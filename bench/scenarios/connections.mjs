// What connections cost, and how they affect each other.
import { path } from '../pre-handler.mjs'

const handshakeRate = (id) => ({
  id: `${id}-rate`,
  title: 'the same: handshakes',
  field: 'perSecond',
  unit: '/s',
  isHigherBetter: true
})

export const connections = [
  {
    id: 'idle',
    title: 'an idle connection (ours: compression negotiated, in a hub)',
    kind: 'idle',
    connections: 10_000,
    quick: { connections: 2_000 },
    deflate: ['blaze'],
    goal: { peer: 'ws', max: 1 }
  },
  {
    id: 'heartbeats-30000',
    title: '30 000 idle connections, each pinged every 10 s',
    kind: 'heartbeats',
    connections: 30_000,
    pingInterval: 10_000,
    quick: { title: '2000 idle connections, each pinged every second', connections: 2_000, pingInterval: 1_000 },
    only: ['blaze', 'ws'],
    goal: { peer: 'ws' }
  },
  {
    id: 'handshakes',
    title: 'handshakes with 10 000 connections',
    kind: 'handshakes',
    connections: 10_000,
    quick: { title: 'handshakes with 2000 connections', connections: 2_000 },
    goal: { peer: 'fastify-websocket', max: 0.9 },
    more: [handshakeRate('handshakes')]
  },
  {
    id: 'storm',
    title: 'reconnect storm of 10 000, asynchronous preHandler',
    kind: 'handshakes',
    isStorm: true,
    hasPreHandler: true,
    path,
    connections: 10_000,
    // As many as the servers' backlog of pending connections allows.
    concurrency: 500,
    quick: { title: 'reconnect storm of 2000, asynchronous preHandler', connections: 2_000 },
    only: ['blaze', 'fastify-websocket'],
    goal: { peer: 'fastify-websocket' },
    more: [handshakeRate('storm')]
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
  }
]
