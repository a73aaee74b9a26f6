import { byId, el } from './view.js'

const EVERY = 2000

const NUMBERS = [
  ['clients', 'Clients', count],
  ['rooms', 'Rooms', count],
  ['messagesSent', 'Messages sent', count],
  ['bytesSent', 'Bytes sent', bytes],
  ['drops', 'Messages dropped', count],
  ['slowDisconnects', 'Slow clients closed', count]
]

async function refresh() {
  try {
    const response = await fetch('/status.json', { signal: AbortSignal.timeout(5000) })
    if (!response.ok) throw new Error(`the server answered ${response.status}`)
    show(await response.json())
    note('The hub of this server, live.')
  } catch {
    note('The server does not answer, trying again…')
  }
  setTimeout(refresh, EVERY)
}

function show(status) {
  byId('numbers').replaceChildren(
    ...NUMBERS.map(([key, label, format]) => el('div', {}, el('dt', { textContent: label }), el('dd', { textContent: format(status[key]) })))
  )
  const rooms = status.roomList.map(({ name, members }) =>
    el('li', {}, el('span', { className: 'room-name', textContent: name }), el('span', { className: 'count', textContent: members }))
  )
  byId('uptime').textContent = `Up for ${duration(status.uptime)}${company(status)}`
  byId('room-list').replaceChildren(...(rooms.length > 0 ? rooms : [el('li', { textContent: 'Nobody is in any room.' })]))
}

function company({ nodes, isDegraded }) {
  if (isDegraded) return ' · the other nodes cannot be reached'
  return nodes > 1 ? ` · one of ${nodes} nodes` : ''
}

/** Said once, not every two seconds: it is read out. */
function note(text) {
  if (byId('note').textContent !== text) byId('note').textContent = text
}

function count(value) {
  return value.toLocaleString()
}

function bytes(value) {
  if (value < 1024) return `${value} B`
  const units = ['KiB', 'MiB', 'GiB', 'TiB']
  const step = Math.min(units.length, Math.floor(Math.log2(value) / 10))
  return `${(value / 1024 ** step).toFixed(1)} ${units[step - 1]}`
}

function duration(seconds) {
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
}

void refresh()
