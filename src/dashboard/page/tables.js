import { byId, el, nameOf, setText } from './dom.js'
import { bytes, count, counted, duration, milliseconds, rate } from './format.js'

/** What is shown of the numbers since the start. */
const TOTALS = [
  ['open', 'Open now', count],
  ['opened', 'Opened', count],
  ['messagesIn', 'Messages in', count],
  ['messagesOut', 'Messages out', count],
  ['bytesIn', 'Bytes in', bytes],
  ['bytesOut', 'Bytes out', bytes],
  ['errors', 'Errors', count],
  ['slow', 'Slow clients', count],
  ['refused', 'Refused, by status', byCode],
  ['closed', 'Closed, by code', byCode]
]

/** Where the state of a node is written instead of its numbers. */
const STATES = { silent: 'does not answer', without: 'has no dashboard, or another version' }

export function showNodes({ nodes, nodeCount, self }) {
  // A single server is not worth a table.
  byId('nodes-section').hidden = nodeCount < 2
  byId('nodes').replaceChildren(...nodes.map((node) => nodeRow(node, node.id === self)))
  showMore('more-nodes', nodeCount - nodes.length, 'more node')
}

function nodeRow({ id, state, now, uptime }, isSelf) {
  const name = el(
    'th',
    { scope: 'row' },
    nameOf(id, 'id'),
    isSelf ? el('small', { textContent: ' answers this page' }) : ''
  )
  const row = el('tr', {}, name)
  row.dataset.state = state
  if (state === 'answers') {
    row.append(
      number(count(now.open)),
      number(rate(now.messagesIn)),
      number(rate(now.messagesOut)),
      number(count(now.refused), 'wide'),
      number(count(now.slow), 'wide'),
      number(milliseconds(now.delay)),
      number(duration(uptime), 'wide')
    )
  } else row.append(el('td', { colSpan: 7, textContent: STATES[state] }))
  return row
}

export function showTotals(stats) {
  const tile = ([key, label, format]) => {
    const value = el('dd', { textContent: stats === undefined ? '–' : format(stats[key]) })
    value.dataset.total = key
    return el('div', {}, el('dt', { textContent: label }), value)
  }
  byId('totals').replaceChildren(...TOTALS.map(tile))
}

export function showRooms({ rooms, roomCount, isRoomCountExact }) {
  const rows = rooms.map(([name, members]) =>
    el(
      'li',
      {},
      nameOf(name, 'name'),
      el('span', { className: 'number', textContent: count(members), title: counted(members, 'member') })
    )
  )
  byId('rooms').replaceChildren(
    ...(rows.length > 0 ? rows : [el('li', { className: 'empty', textContent: 'No room has members.' })])
  )
  byId('more-rooms').hidden = roomCount <= rooms.length
  setText(byId('more-rooms'), `${rooms.length} of ${isRoomCountExact ? '' : 'at most '}${counted(roomCount, 'room')}`)
}

/** Rows of connections. `open(id)` shows the details of one. */
export function showConnections(connections, open) {
  const rows = connections.map((connection) => connectionRow(connection, open))
  const empty = el('tr', {}, el('td', { colSpan: 7, className: 'empty', textContent: 'No connections.' }))
  byId('connections').replaceChildren(...(rows.length > 0 ? rows : [empty]))
}

function connectionRow({ id, route, remoteAddress, age, messagesIn, messagesOut, unsentBytes }, open) {
  const button = el('button', { type: 'button', className: 'link id', title: id }, id.slice(-12))
  button.addEventListener('click', () => open(id))
  return el(
    'tr',
    {},
    el('th', { scope: 'row' }, button),
    el('td', {}, nameOf(route)),
    el('td', { className: 'wide' }, nameOf(remoteAddress)),
    number(duration(age / 1000)),
    number(count(messagesIn), 'wide'),
    number(count(messagesOut), 'wide'),
    number(bytes(unsentBytes))
  )
}

/** Fills a list of choices, and keeps what is chosen, also if it is no longer there. */
export function showChoices(select, first, choices) {
  const values = choices.map(([value]) => value)
  const { value: chosen } = select
  const gone = chosen !== '' && !values.includes(chosen) ? [[chosen, `${chosen} (gone)`]] : []
  const wanted = [['', first], ...choices, ...gone]
  // An open list would close if it were replaced.
  const isSame =
    wanted.length === select.options.length &&
    wanted.every(([value, text], i) => select.options[i].value === value && select.options[i].text === text)
  if (isSame) return
  select.replaceChildren(...wanted.map(([value, textContent]) => el('option', { value, textContent })))
  select.value = chosen
}

function showMore(id, more, what) {
  byId(id).hidden = more <= 0
  setText(byId(id), `and ${counted(more, what)}`)
}

function number(textContent, className = '') {
  return el('td', { className: `number ${className}`, textContent })
}

function byCode(counts) {
  const entries = Object.entries(counts)
  return entries.length === 0 ? 'none' : entries.map(([code, times]) => `${code}: ${count(times)}`).join(' · ')
}
