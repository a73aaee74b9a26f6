// Two workers that clusterBroker() connects, beside one process with all clients, and two processes over Redis. These processes may
// use all cores, because that is what workers are for.

const broadcast = (id, title, burst) => ({
  id,
  title,
  kind: 'workers',
  folder: 'workers',
  nodes: 2,
  isSpread: true,
  connections: 1000,
  quick: { warmup: 600, connections: 400 },
  burst,
  size: 128,
  isHigherBetter: true,
  goal: [{ peer: 'blaze-one-process' }, { peer: 'blaze-over-redis' }],
  more: [{ id: `${id}-cpu`, title: 'the same: CPU of all processes', field: 'cpu', unit: 'µs', isHigherBetter: false }]
})

export const workers = [
  broadcast('workers-1', '2 workers × 500, deliveries to a room of 128 B, one at a time', 1),
  broadcast('workers-32', '2 workers × 500, deliveries in bursts of 32 in one tick', 32)
]
