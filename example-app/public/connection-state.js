import { byId } from './view.js'

let act = () => {}
byId('banner-action').addEventListener('click', () => act())

/** Whether we are connected, and what can be done where we are not. */
const STATES = {
  connecting: { label: 'Connecting', text: 'Connecting…', action: 'Try now' },
  online: { label: 'Online' },
  restarting: { label: 'Reconnecting', text: 'The server restarts. Connecting again…', action: 'Try now' },
  lost: { label: 'Reconnecting', text: 'Connection lost, trying again…', action: 'Try now' },
  offline: { label: 'Offline', text: 'You are offline. Waiting for the network…', action: 'Try now' },
  4000: { label: 'Closed', text: 'You went on with this chat in another tab.', action: 'Use it here' },
  4001: { label: 'Closed', text: 'An operator removed you from the chat.', action: 'Join again' },
  closed: { label: 'Closed', text: 'The server has ended the connection.', action: 'Connect again' }
}

/** @param name one of the above, or the code that a connection was closed with for good */
export function showConnection(name, onAction) {
  const { label, text, action } = STATES[name] ?? STATES.closed
  const state = byId('state')
  state.dataset.state = name in STATES && Number.isNaN(Number(name)) ? name : 'closed'
  if (state.textContent !== label) state.textContent = label
  byId('banner').hidden = text === undefined
  if (text === undefined) return
  // Writing the same again would have it read out again, at each retry.
  if (byId('banner-text').textContent !== text) byId('banner-text').textContent = text
  byId('banner-action').textContent = action
  act = onAction
}

/** Which node has us, where there are several. */
export function showNode(name = '') {
  byId('node-name').textContent = name
  byId('node').hidden = name === ''
}
