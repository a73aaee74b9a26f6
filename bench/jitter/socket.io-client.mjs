import { io } from 'socket.io-client'

/** Connects one client. `nextQuery` is asked before each attempt. */
export function connectClient({ port, nextQuery, reconnect, onOpen, onLost, onWelcome, onMessage, onGap }) {
  const socket = io(`http://127.0.0.1:${port}`, {
    transports: ['websocket'],
    forceNew: true,
    query: nextQuery(),
    reconnectionDelay: reconnect.min,
    reconnectionDelayMax: reconnect.max
  })
  socket.io.on('reconnect_attempt', () => {
    socket.io.opts.query = nextQuery()
  })
  let isFirst = true
  socket.on('connect', () => {
    onOpen()
    if (!isFirst && !socket.recovered) onGap()
    isFirst = false
  })
  socket.on('disconnect', (reason) => {
    onLost()
    // After a disconnection by the server it does not come back by itself.
    if (reason === 'io server disconnect') socket.connect()
  })
  socket.on('welcome', onWelcome)
  socket.on('said', onMessage)
}
