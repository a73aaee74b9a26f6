import { byId } from './view.js'

let act = () => {}
byId('banner-action').addEventListener('click', () => act())

/** The states of the connection: what the page says, and what the button in the banner offers. */
const STATES = {
  connecting: { label: 'Connecting', text: 'Connecting…', action: 'Try now' },
  online: { label: 'Online' },
  restarting: { label: 'Reconnecting', text: 'The server restarts. Connecting again…', action: 'Try now' },
  lost: { label: 'Reconnecting', text: 'Connection lost, trying again…', action: 'Try now' },
  offline: { label: 'Offline', text: 'You are offline. Waiting for the network…', action: 'Try now' },
  4410: { label: 'Closed', text: 'You continued this chat in another tab.', action: 'Use it here' },
  4403: { label: 'Closed', text: 'An operator removed you from the chat.', action: 'Join again' },
  closed: { label: 'Closed', text: 'The server closed the connection.', action: 'Connect again' }
}

/** @param name a key of STATES, or another close code after which we do not reconnect. */
export function showConnection(name, onAction) {
  const { label, text, action } = STATES[name] ?? STATES.closed
  const state = byId('state')
  state.dataset.state = name in STATES && Number.isNaN(Number(name)) ? name : 'closed'
  if (state.textContent !== label) state.textContent = label
  byId('banner').hidden = text === undefined
  if (text === undefined) return
  // A screen reader would read the text again at each retry, so write it only if it has changed.
  if (byId('banner-text').textContent !== text) byId('banner-text').textContent = text
  byId('banner-action').textContent = action
  act = onAction
}

/** Shows the node that we are connected to, if there are several. */
export function showNode(name = '') {
  byId('node-name').textContent = name
  byId('node').hidden = name === ''
}
