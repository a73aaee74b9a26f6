// What a delivery costs, with more connections and with more rooms.

const count = (number) => String(number).replace(/(?<=\d\d)(?=\d{3}$)/, ' ')

const fanoutTitle = (connections) => `a single broadcast of 128 B to ${count(connections)} connections`

/** One broadcast at a time, to all connections. */
const fanout = (connections, { quick = connections, max } = {}) => ({
  id: `fanout-${connections}`,
  title: fanoutTitle(connections),
  kind: 'fanout',
  connections,
  quick: { title: fanoutTitle(quick), connections: quick },
  size: 128,
  // Opening may take longer than the usual interval, and the generator expects only broadcasts.
  pingInterval: 0,
  only: ['blaze', 'net', 'ws', 'fastify-websocket', 'uws'],
  goal: { peer: 'net', max }
})

/** One broadcast at a time, to one room. All rooms take their turns. */
const rooms = (number, size, row) => ({
  id: `rooms-${number}`,
  kind: 'broadcast',
  command: 'rooms',
  isApart: true,
  rooms: { count: number, size },
  connections: 1000,
  burst: 1,
  size: 128,
  only: ['blaze'],
  ...row
})

const oneOf = (number) => ({ title: `the same into one of ${count(number)} rooms of 10` })
const goal = { row: 'rooms-100' }

export const fanOut = [
  fanout(100),
  fanout(1_000),
  fanout(10_000, { quick: 2_000, max: 1.1 }),
  fanout(30_000, { quick: 4_000, max: 1.1 }),
  rooms(1, 1000, { title: 'broadcast of 128 B into the only room, of 1000' }),
  rooms(100, 10, oneOf(100)),
  rooms(10_000, 10, { ...oneOf(10_000), goal }),
  rooms(100_000, 10, { ...oneOf(100_000), goal })
]
