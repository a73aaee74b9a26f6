// Events, and calls with acknowledgements. The client side of a call is `emitWithAck`.
import { createServer } from 'node:http'
import { Server } from 'socket.io'
import { wire as connection } from '../socket.io.mjs'
import { exchangesOf, groups, lengthOf, move, price, rename, renamed } from './traffic.mjs'

export const wire = { ...connection, wrap: (data) => `42["price",${data}]` }

export const exchanges = exchangesOf({
  event: `42${JSON.stringify(['move', move])}`,
  done: '42["done"]',
  call: (id) => `42${id}${JSON.stringify(['rename', rename])}`,
  answer: (id) => `43${id}${JSON.stringify([renamed])}`
})

export async function start({ inFlight }) {
  const http = createServer()
  const io = new Server(http, { transports: ['websocket'] })
  io.on('connection', (socket) => {
    const isLast = groups(inFlight)
    socket.on('move', () => {
      if (isLast()) socket.emit('done')
    })
    socket.on('rename', (input, answer) => answer(lengthOf(input)))
  })
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve))
  return {
    port: http.address().port,
    broadcast(_payload, count) {
      for (let i = 0; i < count; i++) io.emit('price', price)
    },
    size: () => io.engine.clientsCount
  }
}
