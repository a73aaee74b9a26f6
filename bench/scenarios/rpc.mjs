// Typed events, calls and broadcasts: contract routes and the libraries that have such things.
import { price } from '../contenders/rpc/traffic.mjs'

const exchange = (id, title, row) => ({ id, title, kind: 'exchange', folder: 'rpc', connections: 64, ...row })

const broadcast = (id, title, burst) => ({
  id,
  title,
  kind: 'broadcast',
  folder: 'rpc',
  connections: 1000,
  burst,
  payload: JSON.stringify(price),
  without: ['trpc'],
  goal: { peer: 'blaze-raw', max: 1.1 }
})

export const rpc = [
  exchange('rpc-event', 'typed event of a client, 64 connections, 16 in flight', {
    exchange: 'event',
    inFlight: 16,
    without: ['trpc'],
    goal: [{ peer: 'blaze-raw', max: 1.5 }, { peer: 'socket.io' }]
  }),
  exchange('rpc-call', 'call with its answer, 64 connections, 16 in flight', {
    exchange: 'call',
    inFlight: 16,
    goal: [{ peer: 'socket.io', max: 0.35 }, { peer: 'blaze-raw' }]
  }),
  exchange('rpc-call-1', 'the same, 1 in flight', {
    exchange: 'call',
    inFlight: 1,
    goal: [{ peer: 'socket.io' }, { peer: 'blaze-raw' }]
  }),
  broadcast('rpc-broadcast', 'typed broadcast to 1000, one at a time', 1),
  broadcast('rpc-broadcast-32', 'the same in bursts of 32 in one tick', 32)
]
