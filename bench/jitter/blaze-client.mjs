import WebSocket from 'ws'
import { connect } from '../../dist/esm/client.js'

/** Connects one client. `nextQuery` is asked before each attempt. */
export function connectClient({ port, nextQuery, reconnect, onOpen, onLost, onWelcome, onMessage, onGap, onGaveUp }) {
  const url = () => `ws://127.0.0.1:${port}/?${new URLSearchParams(nextQuery())}`
  const client = connect({ url, WebSocket, reconnect })
  client.on('state', (state) => {
    if (state === 'open') onOpen()
    else if (state === 'waiting') onLost()
    else if (state === 'closed') onGaveUp(client.closeInfo)
  })
  client.on('welcome', onWelcome)
  client.on('said', onMessage)
  client.on('gap', onGap)
  // A failed attempt is followed by the next one.
  client.on('error', () => undefined)
}
