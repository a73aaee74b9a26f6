// The contenders in the order of the columns, and their names in the table.
export const COLUMNS = ['blaze', 'fastify-websocket', 'ws', 'net', 'crossws', 'redis', 'socket.io', 'uws']
const NAMES = {
  blaze: 'fastify-blaze-ws',
  'fastify-websocket': '@fastify/websocket',
  net: 'raw net',
  redis: 'bare Redis',
  uws: 'uWebSockets.js'
}
export const nameOf = (contender) => NAMES[contender] ?? contender
