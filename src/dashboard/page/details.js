import { get, post } from './api.js'
import { byId, el, nameOf, setText } from './dom.js'
import { bytes, count, counted, duration, time } from './format.js'

/** The dialog with the details of one connection. */
export class Details {
  #dialog = byId('details')
  #id

  constructor() {
    byId('details-close').addEventListener('click', () => this.#dialog.close())
    byId('disconnect').addEventListener('click', () => this.#onDisconnect())
    byId('disconnect-cancel').addEventListener('click', () => this.#ask(false))
  }

  /** Shows a connection. Throws a ServerError if it is not there. */
  async open(id) {
    const details = await get('connection', { id })
    this.#id = id
    this.#show(details)
    this.#ask(false)
    byId('disconnect').hidden = false
    setText(byId('details-note'), '')
    if (!this.#dialog.open) this.#dialog.showModal()
  }

  /** Brings what is shown up to date. */
  async refresh() {
    if (!this.#dialog.open || byId('disconnect').hidden) return
    const id = this.#id
    try {
      const details = await get('connection', { id })
      if (id === this.#id) this.#show(details)
    } catch (error) {
      if (error.status === 404 && id === this.#id) this.#end('The connection is closed.')
    }
  }

  #show(details) {
    setText(byId('details-id'), details.id)
    byId('details-list').replaceChildren(
      ...rowsOf(details).flatMap(([label, value]) => [el('dt', { textContent: label }), el('dd', {}, value)])
    )
  }

  /** The button asks once more, because a client cannot be brought back. */
  #ask(isAsking) {
    const button = byId('disconnect')
    button.dataset.asks = isAsking
    setText(button, isAsking ? 'Yes, disconnect it' : 'Disconnect')
    byId('disconnect-cancel').hidden = !isAsking
  }

  async #onDisconnect() {
    const button = byId('disconnect')
    if (button.dataset.asks !== 'true') return this.#ask(true)
    button.disabled = true
    try {
      const { node } = await post('disconnect', { id: this.#id })
      this.#end(node === '' ? 'Disconnected, with the code 1008.' : `Disconnected on node ${node}, with the code 1008.`)
    } catch (error) {
      setText(byId('details-note'), `Not disconnected: ${error.message}.`)
      this.#ask(false)
    }
    button.disabled = false
  }

  #end(text) {
    setText(byId('details-note'), text)
    byId('disconnect').hidden = true
    byId('disconnect-cancel').hidden = true
    byId('details-close').focus()
  }
}

function rowsOf(details) {
  const { route, remoteAddress, node, protocol, age, silence, rooms, roomCount } = details
  const more = roomCount > rooms.length ? [` and ${counted(roomCount - rooms.length, 'more room')}`] : []
  const rows = [
    ['Route', nameOf(route)],
    ['Address', nameOf(remoteAddress || 'unknown')],
    ['Node', nameOf(node)],
    ['Open since', `${time(Date.now() - age)}, for ${duration(age / 1000)}`],
    ['Last heard', silence < 1000 ? 'just now' : `${duration(silence / 1000)} ago`],
    ['Subprotocol', nameOf(protocol || 'none')],
    ['From the client', `${counted(details.messagesIn, 'message')}, ${bytes(details.bytesIn)}`],
    ['To the client', `${counted(details.messagesOut, 'message')}, ${bytes(details.bytesOut)}`],
    ['Waiting', `${counted(details.queuedFrames, 'frame')}, ${bytes(details.unsentBytes)} unsent`],
    ['Dropped', count(details.dropped)],
    [
      'Rooms',
      rooms.length === 0
        ? 'none'
        : el('span', { className: 'names' }, ...rooms.map((room) => nameOf(room, 'room')), ...more)
    ]
  ]
  return node === '' ? rows.filter(([label]) => label !== 'Node') : rows
}
