import { Colours } from './colours.js'
import { Composer, hint } from './composer.js'
import { Connection } from './connection.js'
import { showConnection, showNode } from './connection-state.js'
import { Entrance } from './entrance.js'
import { Log } from './log.js'
import { openPanel } from './panel.js'
import { People } from './people.js'
import { RoomList } from './rooms.js'
import { forgetPlace, keepPlace, key, keptPlace } from './tab.js'
import { Title } from './title.js'
import { OthersTyping, OwnTyping } from './typing.js'
import { byId, nameOf } from './view.js'

const NAME_TAKEN = 4002

const state = {
  name: '',
  room: '',
  /** Our id, after the server has accepted our join. */
  me: undefined,
  /** True while we are connected and the server has accepted our join. */
  isOnline: false,
  isShuttingDown: false,
  /** The close code after which we do not reconnect by ourselves. */
  endedWith: undefined
}

const connection = new Connection(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`, {
  open: () => join(state.room),
  message: (message) => on[message.type]?.(message),
  lost: onLost,
  end: onEnd
})
const title = new Title()
const colours = new Colours()
const people = new People(colours)
const log = new Log(colours, (unread) => title.setUnread(unread))
const othersTyping = new OthersTyping()
const ownTyping = new OwnTyping((active) => state.isOnline && connection.tell({ type: 'typing', active }))
const composer = new Composer(
  (text, ref) => state.isOnline && connection.send({ type: 'message', text, ref }),
  ownTyping
)
const rooms = new RoomList(switchTo)
const entrance = new Entrance(enter)

// ---- Messages of the server

const on = {
  welcome({ you, room, members, rooms: all, history, node }) {
    const isReturn = state.me === you.id && state.room === room && !log.isEmpty
    Object.assign(state, { me: you.id, name: you.name, room, isOnline: true, isShuttingDown: false })
    keepPlace(state)
    connection.settled()
    othersTyping.clear()
    if (!isReturn) log.clear()
    people.welcome(you.id, members, isReturn)
    if (isReturn) log.notice('Back again')
    for (const message of history) log.message(message, { isOwn: isOwn(message), isOld: !isReturn })
    if (!isReturn) log.notice(['You joined #', nameOf(room)])
    rooms.set(all)
    showNode(node)
    show()
  },
  joined({ member, at, quiet }) {
    const isNews = people.add(member)
    if (isNews && !quiet) log.notice([nameOf(member.name), ' joined'], at)
    showRooms()
  },
  left({ member, at }) {
    othersTyping.stopped(member.id)
    if (people.remove(member)) log.notice([nameOf(member.name), ' left'], at)
    showRooms()
  },
  message(message) {
    othersTyping.stopped(message.from.id)
    if (isOwn(message)) composer.confirm(message.ref)
    log.message(message, { isOwn: isOwn(message) })
  },
  typing({ member, active }) {
    if (member.id === state.me) return
    if (active && people.has(member.id)) othersTyping.started(member)
    else othersTyping.stopped(member.id)
  },
  announcement(announcement) {
    log.announcement(announcement)
  },
  notice({ text }) {
    log.notice(text)
  },
  rooms({ rooms: all }) {
    rooms.set(all)
    showRooms()
  },
  error({ text, about, ref }) {
    if (about === 'typing') return
    if (about === 'message') composer.takeBack(ref)
    if (about === 'join' && !state.isOnline) leave(text)
    else hint(text)
  },
  shutdown() {
    state.isShuttingDown = true
  }
}

function isOwn(message) {
  return message.from.id === state.me
}

// ---- The connection

/** Asks to join a room; false if we are not connected. */
function join(room) {
  return connection.send({ type: 'join', name: state.name, room, key: key() })
}

function onLost() {
  state.isOnline = false
  people.setOffline()
  othersTyping.clear()
  ownTyping.sent()
  if (composer.takeAllBack()) hint('Not delivered: your message is back in the box.')
  show()
}

function onEnd(code) {
  onLost()
  if (code === NAME_TAKEN) return leave(`The name ${state.name} is taken. Please choose another.`)
  state.endedWith = code
  show()
}

function connect() {
  state.endedWith = undefined
  connection.open()
  show()
}

addEventListener('online', show)
addEventListener('offline', show)

// ---- Actions of the user

function enter(name, room) {
  Object.assign(state, { name, room })
  entrance.hide()
  byId('app').hidden = false
  people.show()
  connect()
  composer.focus()
}

/** Goes back to the entrance. The text in the message box stays. */
function leave(why = '') {
  connection.close({ type: 'leave' })
  Object.assign(state, { me: undefined, isOnline: false, endedWith: undefined })
  composer.takeAllBack()
  othersTyping.clear()
  people.clear()
  rooms.set([])
  forgetPlace()
  log.clear()
  openPanel(false)
  byId('app').hidden = true
  title.setRoom('')
  entrance.show(state, why)
}

byId('leave').addEventListener('click', () => leave())

function switchTo(room) {
  const isOnItsWay = room === state.room || (state.isOnline && join(room))
  if (isOnItsWay) composer.focus()
  return isOnItsWay
}

// ---- The page

function show() {
  if (byId('app').hidden) return
  title.setRoom(state.room)
  byId('title').replaceChildren('#', nameOf(state.room))
  byId('log').setAttribute('aria-label', `Messages in #${state.room}`)
  composer.show(state)
  showRooms()
  showConnection(connectionState(), connect)
}

function connectionState() {
  if (state.endedWith !== undefined) return state.endedWith
  if (state.isOnline) return 'online'
  if (!navigator.onLine) return 'offline'
  if (state.isShuttingDown) return 'restarting'
  return state.me === undefined ? 'connecting' : 'lost'
}

function showRooms() {
  rooms.show({ ...state, people: people.count })
}

/** A reload rejoins the same room; a link to a room fills in its name. */
function start() {
  const kept = keptPlace()
  if (kept === null) void entrance.greet()
  else enter(kept.name, kept.room)
}

start()
