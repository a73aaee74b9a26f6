import { ClientError } from 'fastify-blaze-ws/client'
import { Colours } from './colours.js'
import { Composer, hint } from './composer.js'
import { Connection } from './connection.js'
import { showConnection, showNode } from './connection-state.js'
import { Entrance } from './entrance.js'
import { Log } from './log.js'
import { openPanel } from './panel.js'
import { People } from './people.js'
import { RoomList } from './rooms.js'
import { forgetPlace, keepPlace, keepShown, keptPlace, keptShown } from './tab.js'
import { Title } from './title.js'
import { OthersTyping, OwnTyping } from './typing.js'
import { byId, nameOf } from './view.js'

/** The close code of a guest whose name another guest has. */
const NAME_TAKEN = 4409

const state = {
  name: '',
  room: '',
  /** The room whose messages are in the log. */
  shown: undefined,
  /** Messages up to this time were said before we came. In milliseconds since 1970. */
  cameAt: 0,
  /** Our id, after the server has accepted our join. */
  me: undefined,
  /** True while we are connected and the server has accepted our join. */
  isOnline: false,
  isRestarting: false,
  /** The close code after which we do not reconnect. */
  endedWith: undefined
}

const title = new Title()
const colours = new Colours()
const people = new People(colours)
const log = new Log(colours, (unread) => title.setUnread(unread))
const othersTyping = new OthersTyping()
const ownTyping = new OwnTyping(tellTyping)
const composer = new Composer((text) => connection.call('say', { text }), ownTyping)
const rooms = new RoomList(switchTo)
const entrance = new Entrance(enter)

// ---- Events

const on = {
  state(now) {
    state.endedWith = now === 'closed' ? (connection.client.closeInfo?.code ?? now) : undefined
    if (now === 'open') void join(state.room)
    else lost()
    if (state.endedWith === NAME_TAKEN) leave(`The name ${state.name} is taken. Please choose another.`)
    show()
  },
  joined: inRoom(({ member, at, quiet }) => {
    const isNews = people.add(member)
    if (isNews && !quiet) log.notice([nameOf(member.name), ' joined'], at)
    showRooms()
  }),
  left: inRoom(({ member, at }) => {
    othersTyping.stopped(member.id)
    if (people.remove(member)) log.notice([nameOf(member.name), ' left'], at)
    showRooms()
  }),
  said: inRoom((message) => {
    othersTyping.stopped(message.from.id)
    log.message(message, { isOwn: isOwn(message), isOld: message.at <= state.cameAt })
    keepLog()
  }),
  gap({ room }) {
    if (room === state.room) log.notice('Some messages may be missing here')
  },
  typing: inRoom(({ member, active }) => {
    if (active && people.has(member.id)) othersTyping.started(member)
    else othersTyping.stopped(member.id)
  }),
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
  restarting() {
    state.isRestarting = true
  }
}

const connection = new Connection(on)

/** While we join, events of rooms wait, because they may be newer than the answer. */
let waiting

function inRoom(listener) {
  const showIfHere = (event) => event.room === state.room && listener(event)
  return (event) => (waiting === undefined ? showIfHere(event) : waiting.push(() => showIfHere(event)))
}

function isOwn(message, me = state.me) {
  return message.from.id === me
}

/** Keeps what the page shows for a reload, later in this turn: a position advances after the listeners. */
function keepLog() {
  queueMicrotask(() => {
    if (waiting === undefined && connection.client !== undefined) keepShown(log.messages, connection.client.positions)
  })
}

// ---- The connection

async function join(room) {
  const { client } = connection
  const early = (waiting = [])
  try {
    const answer = await connection.call('join', { name: state.name, room })
    // We may have left in the meantime.
    if (connection.client === client) welcome(answer)
  } catch (error) {
    // If the connection is lost, we join again when it is back.
    if (connection.client === client && !(error instanceof ClientError)) refused(error.message)
  }
  if (waiting === early) waiting = undefined
  for (const showEarly of early) showEarly()
  keepLog()
}

function welcome({ you, room, members, rooms: all, at, node }) {
  const isReturn = state.shown === room && !log.isEmpty
  const isReload = isReturn && state.me === undefined
  if (!isReturn) state.cameAt = at
  Object.assign(state, { me: you.id, shown: room, name: you.name, room, isOnline: true, isRestarting: false })
  keepPlace(state)
  othersTyping.clear()
  if (!isReturn) log.clear()
  people.welcome(you.id, members, isReturn && !isReload)
  if (isReturn) log.notice('Back again')
  if (!isReturn) log.entered(['You joined #', nameOf(room)])
  rooms.set(all)
  showNode(node)
  show()
}

function refused(why) {
  if (state.isOnline) hint(why)
  else leave(why)
}

/** We may be connected, but the others do not see us, or we do not see them. */
function lost() {
  state.isOnline = false
  people.setOffline()
  othersTyping.clear()
  ownTyping.sent()
}

addEventListener('offline', () => {
  lost()
  show()
})
addEventListener('online', () => {
  if (connection.client?.state === 'open') void join(state.room)
  show()
})

// ---- Actions of the user

function enter(name, room, positions) {
  Object.assign(state, { name, room })
  entrance.hide()
  byId('app').hidden = false
  people.show()
  connection.open(positions)
  composer.focus()
}

/** Shows what the page showed before it was reloaded, and goes on from there. */
function goOn({ name, room, me }) {
  const { messages, positions } = keptShown()
  for (const message of messages) log.message(message, { isOwn: isOwn(message, me), isOld: true })
  state.shown = room
  enter(name, room, positions)
}

/** Goes back to the entrance. The text in the message box stays. */
function leave(why = '') {
  connection.leave()
  lost()
  state.me = state.shown = undefined
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

/** False if we cannot go there now. */
function switchTo(room) {
  if (room !== state.room) {
    if (!state.isOnline) return false
    void join(room)
  }
  composer.focus()
  return true
}

/** False if nobody can be told. */
function tellTyping(active) {
  if (state.isOnline) connection.client.send('typing', { active }).catch(() => {})
  return state.isOnline
}

// ---- The page

function show() {
  if (byId('app').hidden) return
  title.setRoom(state.room)
  byId('title').replaceChildren('#', nameOf(state.room))
  byId('log').setAttribute('aria-label', `Messages in #${state.room}`)
  composer.show(state)
  showRooms()
  showConnection(connectionState(), () => connection.open())
}

function connectionState() {
  if (state.endedWith !== undefined) return state.endedWith
  if (state.isOnline) return 'online'
  if (!navigator.onLine) return 'offline'
  if (state.isRestarting) return 'restarting'
  return state.me === undefined ? 'connecting' : 'lost'
}

function showRooms() {
  rooms.show({ ...state, people: people.count })
}

/** A reload rejoins the same room; a link to a room fills in its name. */
function start() {
  const kept = keptPlace()
  if (kept === null) void entrance.greet()
  else goOn(kept)
}

start()
