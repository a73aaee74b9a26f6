import { Connection } from './connection.js'
import { Log } from './log.js'
import { byId, paintAvatar, personItem, roomItem } from './view.js'

const MAX_TEXT = 2000

const log = new Log()
const connection = new Connection(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`, {
  open: join,
  message: (message) => on[message.type]?.(message),
  lost: onLost,
  end: onEnd
})

const state = {
  name: '',
  room: '',
  me: undefined,
  /** The server has taken us in, and the connection stands. */
  isOnline: false,
  isShuttingDown: false,
  /** id → name */
  members: new Map(),
  rooms: [],
  /** What was sent and has not come back yet: ref → text. */
  unconfirmed: new Map(),
  refs: 0,
  unseen: 0
}

// ---- What the server says

const on = {
  welcome({ you, room, members, rooms, history }) {
    const isReturn = state.me !== undefined && state.room === room && byId('log').childElementCount > 0
    Object.assign(state, { me: you, name: you.name, room, rooms, isOnline: true, isShuttingDown: false })
    state.members = new Map(members.map(({ id, name }) => [id, name]))
    remember()
    connection.settled()
    if (isReturn) log.notice('Back again')
    else log.clear()
    for (const message of history) log.message(message, isOwn(message))
    if (!isReturn) log.notice(`You joined #${room}`)
    show()
  },
  joined({ member, at, quiet }) {
    state.members.set(member.id, member.name)
    if (!quiet) log.notice(`${member.name} joined`, at)
    showPeople()
  },
  left({ member, at, quiet }) {
    state.members.delete(member.id)
    if (!quiet) log.notice(`${member.name} left`, at)
    showPeople()
  },
  message(message) {
    if (message.from.id === state.me?.id) state.unconfirmed.delete(message.ref)
    if (log.message(message, isOwn(message))) countUnseen()
  },
  announcement(announcement) {
    log.announcement(announcement)
    countUnseen()
  },
  notice({ text }) {
    log.notice(text)
  },
  rooms({ rooms }) {
    state.rooms = rooms
    showRooms()
  },
  error({ text, about, ref }) {
    if (about === 'message') takeBack(ref)
    if (about === 'join' && !state.isOnline) leave(text)
    else hint(text)
  },
  shutdown() {
    state.isShuttingDown = true
  }
}

function isOwn(message) {
  return message.from.name === state.name
}

// ---- The connection comes and goes

function join() {
  connection.send({ type: 'join', name: state.name, room: state.room, key: key() })
}

function onLost() {
  state.isOnline = false
  if (takeAllBack()) hint('Not delivered: your message is back in the box.')
  show()
}

function onEnd(code) {
  onLost()
  if (code === 4002) return leave(`The name ${state.name} is taken. Please choose another.`)
  const isKick = code === 4001
  banner(isKick ? 'An operator removed you from the chat.' : 'You went on with this chat in another tab.', isKick ? 'Join again' : 'Use it here', reopen)
  showState('closed')
}

function reopen() {
  connection.open()
  show()
}

/** Text that did not arrive goes back to where it was typed, before what was typed since. */
function takeBack(ref) {
  const text = state.unconfirmed.get(ref)
  if (text === undefined) return
  state.unconfirmed.delete(ref)
  const field = byId('text')
  field.value = field.value === '' ? text : `${text}\n${field.value}`
}

/** False where nothing was on its way. The last goes first, so that they end up in the order they were typed. */
function takeAllBack() {
  const refs = [...state.unconfirmed.keys()].toReversed()
  for (const ref of refs) takeBack(ref)
  return refs.length > 0
}

// ---- What the person does

byId('enter').addEventListener('submit', (event) => {
  event.preventDefault()
  const name = byId('name').value.trim()
  const room = byId('room').value.trim()
  const missing = name === '' ? 'name' : room === '' ? 'room' : undefined
  if (missing !== undefined) return refuseEntrance(missing === 'name' ? 'Please enter your name.' : 'Please enter a room.', missing)
  enter(name, room)
})

byId('composer').addEventListener('submit', (event) => {
  event.preventDefault()
  say()
})

byId('text').addEventListener('keydown', (event) => {
  // While an input method composes a character, Enter belongs to it.
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
  event.preventDefault()
  say()
})

byId('text').addEventListener('input', () => hint(''))

byId('rooms').addEventListener('click', (event) => {
  const room = event.target.closest('button')?.dataset.room
  if (room !== undefined) switchTo(room)
})

byId('new-room').addEventListener('submit', (event) => {
  event.preventDefault()
  const field = byId('new-room-name')
  const room = field.value.trim()
  if (room === '' || !state.isOnline) return field.focus()
  field.value = ''
  switchTo(room)
})

byId('leave').addEventListener('click', () => leave())
byId('panel-open').addEventListener('click', () => openPanel(true))
byId('panel-close').addEventListener('click', () => openPanel(false))
byId('backdrop').addEventListener('click', () => openPanel(false))
document.addEventListener('keydown', ({ key: pressed }) => pressed === 'Escape' && openPanel(false))
// The drawer of a narrow window must not stay open over a wide one.
matchMedia('(max-width: 760px)').addEventListener('change', () => openPanel(false))

document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') state.unseen = 0
  showTitle()
})

function enter(name, room) {
  Object.assign(state, { name, room })
  byId('enter-error').textContent = ''
  byId('entrance').hidden = true
  byId('app').hidden = false
  show()
  connection.open()
  focusText()
}

/** Back to the entrance; what is in the message box stays there. */
function leave(why = '') {
  connection.close()
  Object.assign(state, { me: undefined, isOnline: false, rooms: [] })
  takeAllBack()
  state.members.clear()
  sessionStorage.removeItem('chat')
  log.clear()
  openPanel(false)
  byId('app').hidden = true
  byId('entrance').hidden = false
  byId('name').value = state.name
  byId('room').value = state.room
  document.title = 'Blaze Chat'
  refuseEntrance(why, 'name')
}

function refuseEntrance(why, field) {
  byId('enter-error').textContent = why
  byId(field).focus()
}

function switchTo(room) {
  openPanel(false)
  if (room !== state.room) connection.send({ type: 'join', name: state.name, room, key: key() })
  focusText()
}

function say() {
  const field = byId('text')
  const text = field.value.trim()
  if (text === '') return
  if (text.length > MAX_TEXT) return hint(`That is ${text.length} characters long, ${MAX_TEXT} is the most.`)
  const ref = `m${++state.refs}`
  if (!state.isOnline || !connection.send({ type: 'message', text, ref })) return hint('Not connected: your message waits here.')
  state.unconfirmed.set(ref, text)
  field.value = ''
  hint('')
}

// ---- What is seen

function show() {
  showRooms()
  showPeople()
  showTitle()
  byId('title').textContent = `#${state.room}`
  byId('log').setAttribute('aria-label', `Messages in #${state.room}`)
  byId('text').placeholder = `Message #${state.room}`
  byId('me-name').textContent = state.name
  paintAvatar(byId('me-avatar'), state.name)
  byId('send').disabled = !state.isOnline
  if (state.isOnline) return showConnected()
  showState(state.me === undefined ? 'connecting' : 'lost')
  if (state.isShuttingDown) banner('The server restarts. Connecting again…', 'Try now', () => connection.retryNow())
  else banner(state.me === undefined ? 'Connecting…' : 'Connection lost, trying again…', 'Try now', () => connection.retryNow())
}

function showConnected() {
  showState('online')
  byId('banner').hidden = true
  if (byId('hint').textContent.startsWith('Not connected')) hint('')
}

function showState(name) {
  const field = byId('state')
  field.dataset.state = name
  field.textContent = { connecting: 'Connecting', online: 'Online', lost: 'Offline', closed: 'Closed' }[name]
}

let bannerAct = () => {}
byId('banner-action').addEventListener('click', () => bannerAct())

function banner(text, action, act) {
  byId('banner').hidden = false
  // Writing the same again would have it read out again, at each retry.
  if (byId('banner-text').textContent !== text) byId('banner-text').textContent = text
  byId('banner-action').textContent = action
  bannerAct = act
}

function hint(text) {
  byId('hint').textContent = text
}

/** The lobby is always offered, and the room one is in, also where nobody is there. */
function showRooms() {
  const focused = document.activeElement?.dataset?.room
  const rooms = [...state.rooms]
  for (const name of ['lobby', state.room]) if (!rooms.some((room) => room.name === name)) rooms.push({ name, members: 0 })
  const list = byId('rooms')
  list.replaceChildren(...rooms.map((room) => roomItem(room, room.name === state.room)))
  for (const button of list.querySelectorAll('button')) {
    button.disabled = !state.isOnline
    if (button.dataset.room === focused) button.focus()
  }
}

function showPeople() {
  const people = [...state.members].toSorted(([, a], [, b]) => a.localeCompare(b))
  byId('people').replaceChildren(...people.map(([id, name]) => personItem(name, id === state.me?.id)))
  byId('people-count').textContent = people.length
  byId('subtitle').textContent = people.length === 1 ? 'Only you are here' : `${people.length} people here`
}

function showTitle() {
  document.title = `${state.unseen > 0 ? `(${state.unseen}) ` : ''}#${state.room} – Blaze Chat`
}

function countUnseen() {
  if (document.visibilityState === 'visible') return
  state.unseen++
  showTitle()
}

/** On a narrow screen rooms and people are a drawer over the chat. */
function openPanel(isOpen) {
  const wasOpen = byId('panel').dataset.open === 'true'
  byId('panel').dataset.open = isOpen
  byId('panel-open').setAttribute('aria-expanded', isOpen)
  byId('backdrop').hidden = !isOpen
  byId('chat').inert = isOpen
  if (isOpen) byId('panel-close').focus()
  else if (wasOpen) byId('panel-open').focus()
}

/** Not where that would bring up a keyboard on the screen. */
function focusText() {
  if (matchMedia('(pointer: fine)').matches) byId('text').focus()
}

// ---- What is kept

/** A secret of this tab, by which the server knows us again. */
function key() {
  const kept = sessionStorage.getItem('key')
  if (kept !== null) return kept
  const made = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  sessionStorage.setItem('key', made)
  return made
}

function remember() {
  const { name, room } = state
  sessionStorage.setItem('chat', JSON.stringify({ name, room }))
  localStorage.setItem('name', name)
  history.replaceState(null, '', `#${encodeURIComponent(room)}`)
}

/** A reload goes on where it was; a link to a room fills in the room. */
function start() {
  const kept = JSON.parse(sessionStorage.getItem('chat') ?? 'null')
  if (kept !== null) return enter(kept.name, kept.room)
  byId('name').value = localStorage.getItem('name') ?? ''
  if (location.hash.length > 1) byId('room').value = decodeURIComponent(location.hash.slice(1))
  byId('name').focus()
}

start()
