import { byId, counted, el, nameOf } from './view.js'

const EVERY = 2000

/** Numbers of the whole chat, on all nodes. */
const ALL = [
  ['people', 'People', count],
  ['rooms', 'Rooms', count]
]
const NODES = ['nodes', 'Nodes', count]
const PEOPLE = ['people', 'People', count]
const UPTIME = ['uptime', 'Up for', duration]

/** Numbers of the node that answers. */
const NODE = [
  ['messagesSent', 'Messages sent', count],
  ['bytesSent', 'Bytes sent', bytes],
  ['drops', 'Messages dropped', count],
  ['slowDisconnects', 'Slow clients closed', count]
]

async function refresh() {
  try {
    const response = await fetch('/status.json', { signal: AbortSignal.timeout(5000) })
    if (!response.ok) throw new Error(`the server answered ${response.status}`)
    const status = await response.json()
    show(status)
    note(summary(status))
  } catch {
    note('The server does not answer. Trying again… These are the last numbers.')
  }
  setTimeout(refresh, EVERY)
}

/** With a single server, all numbers are shown as those of the chat. With several, one section is for the node. */
function show({ node, roomList, ...all }) {
  const isCluster = node.name !== undefined
  tiles('all', isCluster ? [...ALL, NODES] : [...ALL, ...NODE], { ...node, ...all })
  tiles('node-numbers', isCluster ? [PEOPLE, ...NODE, UPTIME] : [], node)
  showRooms(roomList, all.rooms)
  byId('node').hidden = !isCluster
  byId('all-title').textContent = isCluster ? 'The whole chat, on all nodes' : 'The chat'
  byId('node-title').replaceChildren(nameOf(node.name ?? ''), ' only')
  byId('remark').textContent = isCluster
    ? 'Each node counts on its own. These are the numbers of the node that answered.'
    : `Up for ${duration(node.uptime)}`
}

function tiles(id, numbers, values) {
  const tile = ([key, label, format]) =>
    el('div', {}, el('dt', { textContent: label }), el('dd', { textContent: format(values[key]) }))
  byId(id).replaceChildren(...numbers.map(tile))
}

function showRooms(roomList, total) {
  const rooms = roomList.map(({ name, members }) =>
    el(
      'li',
      {},
      nameOf(name, 'room-name'),
      el('span', { className: 'count', textContent: members, title: counted(members, 'person', 'people') })
    )
  )
  byId('room-list').replaceChildren(
    ...(rooms.length > 0 ? rooms : [el('li', { textContent: 'Nobody is in any room.' })])
  )
  byId('more-rooms').hidden = total <= rooms.length
  byId('more-rooms').textContent = `and ${counted(total - rooms.length, 'more room', 'more rooms')}`
}

function summary({ missing, isDegraded }) {
  if (isDegraded) return 'The other nodes cannot be reached and are not counted.'
  if (missing > 0)
    return `${counted(missing, 'node has', 'nodes have')} not answered and ${missing === 1 ? 'is' : 'are'} not counted.`
  return 'Live, every two seconds.'
}

/** Writes only changes, because screen readers read the note. */
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
