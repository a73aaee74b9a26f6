import { randomUUID } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { CloseCode, WebSocketHub } from 'fastify-blaze-ws'
import { Absences, GRACE } from './absences.js'
import { MemoryHistory } from './history.js'
import { idOf, isNameRoom, Names, ownerOf } from './names.js'
import { RoomList } from './room-list.js'
import { TokenBucket } from './token-bucket.js'
import { Turns } from './turns.js'
import { checkKey, checkMessage, checkName, checkRoom, Refusal } from './validate.js'

const RATE = { burst: 10, perSecond: 2 }
const TYPING_RATE = { burst: 2, perSecond: 0.5 }
/** In a room with more guests, typing notices are not sent: they would cost more than the messages. */
const MAX_TYPING_ROOM = 100
const MAX_REFUSALS = 100

/**
 * The chat: rooms, guests and messages, on one node or on several. A client sends
 *
 *     { type: 'join', name, room, key }   key: a secret of the client, with which it gets its name back when it reconnects
 *     { type: 'message', text, ref }      is sent back with its ref, so the client knows that the message has arrived
 *     { type: 'typing', active }          goes to the others in the room, and is never answered
 *     { type: 'leave' }                   leaves at once; a client that only disconnects has a few seconds to come back
 *     { type: 'ping' }                    is answered with a pong
 *
 * and gets `welcome`, `joined`, `left`, `message`, `typing`, `announcement`, `rooms`, `notice`, `pong`, `error` and `shutdown`.
 * A message that is sent while a client joins may reach it twice, with the same id. `joined` is `quiet` if the guest was only
 * away for a moment.
 */
export class Chat {
  /** The hub for operators who watch all rooms. It is separate, so that broadcasts to guests do not reach operators. */
  feed
  #hub
  #history
  #names
  #node
  #rooms
  #absences
  #turns = new Turns()
  /** The guests of this node who have joined: the id of the connection → { ws, id, name, room }. */
  #guests = new Map()

  /**
   * @param hub sends to the guests of all nodes.
   * @param options `node` is the name of this node, which its guests see. `grace` is how long a guest may be away before the
   * others are told, in milliseconds.
   */
  constructor(hub, { feed = new WebSocketHub(), history = new MemoryHistory(), node, grace = GRACE } = {}) {
    this.feed = feed
    this.#hub = hub
    this.#history = history
    this.#node = node
    this.#absences = new Absences(grace, (room, absences) => this.#gone(room, absences))
    this.#names = new Names(hub)
    this.#rooms = new RoomList(hub)
    for (const event of ['join', 'update', 'leave']) {
      hub.presence.on(event, (room, present) => {
        if (!isNameRoom(room)) this.#changed(event, room, present)
      })
    }
    hub.on('degraded', () =>
      this.#notice('This server cannot reach the others: only people on this server see your messages.')
    )
    hub.on('recovered', () => this.#notice('This server can reach the others again.'))
  }

  /**
   * The handler of a connection. `readJSON` rejects when the client has left, which ends the handler and is not a failure. It also
   * rejects if a message is not JSON, which closes the connection with 1007; our client never sends that.
   */
  async serve(ws) {
    const guest = { ws, bucket: new TokenBucket(RATE), typing: new TokenBucket(TYPING_RATE), refusals: 0 }
    try {
      for (;;) await this.#receive(guest, await ws.readJSON())
    } finally {
      // During a shutdown all guests leave at once and come back, so the others are not told.
      if (!ws.context().isShuttingDown() && guest.room !== undefined) this.#hub.leave(ws, guest.room)
      this.#guests.delete(ws.id)
    }
  }

  /** Sends a text to all guests in all rooms; resolves to their number. */
  async announce(text) {
    const announcement = { type: 'announcement', id: randomUUID(), text, at: Date.now() }
    this.feed.broadcastJSON(announcement)
    this.#hub.broadcastJSON(announcement)
    const { count } = await this.#hub.cluster.getClientCount()
    return count
  }

  /** Disconnects the guest with this name; false if there is none. */
  async kick(name) {
    return this.#names.kick(idOf(checkName(name)))
  }

  /** This name, or a similar one, that is free at the moment. */
  async freeName(like) {
    return this.#names.free(checkName(like))
  }

  rooms() {
    return this.#rooms.ask()
  }

  /** Stops telling guests who has left. Call it when the server begins to close. */
  close() {
    this.#absences.close()
  }

  /** Does what a message asks for, or answers with an error. */
  async #receive(guest, message) {
    const { type, ref } = message ?? {}
    const { ws } = guest
    try {
      if (!guest.bucket.take()) throw new Refusal('That was too fast. Wait a moment, then send it again.')
      if (type === 'join') await this.#join(guest, message)
      else if (type === 'message') this.#say(guest, message)
      else if (type === 'typing') this.#type(guest, message)
      else if (type === 'leave') await this.#sendOff(guest)
      else if (type === 'ping') await ws.writeJSON({ type: 'pong' })
      else throw new Refusal('This kind of message is unknown here.')
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      if (++guest.refusals > MAX_REFUSALS) throw policyViolation()
      await ws.writeJSON({ type: 'error', text: error.message, about: type, ref })
    }
  }

  async #join(guest, message) {
    const name = checkName(message.name)
    const wish = { id: idOf(name), name, room: checkRoom(message.room), owner: ownerOf(checkKey(message.key)) }
    // If two guests want the same name at the same time, the second check must see the first guest.
    await this.#turns.take(`name ${wish.id}`, () =>
      guest.id === wish.id ? this.#enter(guest, wish) : this.#enterAs(guest, wish)
    )
  }

  /** Joins under a name that this connection does not have yet. */
  async #enterAs(guest, wish) {
    // True if the same client is back before we noticed that its old connection is dead, or if its tab was duplicated.
    const isBack = await this.#names.check(wish)
    if (guest.id !== undefined) this.#names.takeBack(guest.ws, guest.id)
    await this.#enter(guest, wish)
    if (isBack) this.#names.replace(wish.id)
    this.#names.give(guest.ws, wish)
  }

  async #enter(guest, wish) {
    const { ws } = guest
    const { id, name, room, owner } = wish
    const history = await this.#history.list(room)
    if (guest.room !== room) await this.#leave(guest)
    this.#guests.set(ws.id, Object.assign(guest, { id, name, room }))
    if (!this.#hub.presence.set(ws, room, { name, owner }, { key: id })) return
    // Guests who come from now on are announced as joined. The earlier ones are known after the other nodes have answered.
    await this.#hub.presence.list(room)
    const welcome = {
      type: 'welcome',
      you: { id, name },
      room,
      members: this.#members(room),
      rooms: this.#rooms.latest,
      history,
      node: this.#node
    }
    void ws.writeJSON(welcome)
    this.#rooms.changed()
    // Messages that were sent while the history was loading.
    for (const said of await this.#history.list(room)) {
      if (!history.some((known) => known.id === said.id)) void ws.writeJSON(said)
    }
  }

  #say({ ws, id, name, room }, message) {
    if (!this.#hub.rooms(ws).includes(room)) throw new Refusal('Join a room first.')
    const said = {
      type: 'message',
      id: randomUUID(),
      from: { id, name },
      text: checkMessage(message.text),
      at: Date.now()
    }
    const ref = checkKey(message.ref)
    void this.#history.add(room, said)
    this.#hub.to(room).broadcastJSON({ ...said, ref })
    this.feed.broadcastJSON({ room, ...said, ref })
  }

  /** Tells the others in the room who is typing. */
  #type({ ws, id, name, room, typing }, { active }) {
    if (!this.#hub.rooms(ws).includes(room) || this.#hub.getClientCount(room) > MAX_TYPING_ROOM) return
    if (active === true && !typing.take()) return
    this.#hub.to(room).broadcastJSON({ type: 'typing', member: { id, name }, active: active === true }, { except: ws })
  }

  async #sendOff(guest) {
    await this.#leave(guest)
    await guest.ws.close()
  }

  /** Leaves on purpose: there is no grace period. */
  async #leave(guest) {
    const { ws, id, name, room } = guest
    if (room === undefined) return
    if (this.#hub.rooms(ws).includes(room)) {
      this.#hub.presence.set(ws, room, { name, isLeaving: true }, { key: id })
      // Two changes in one turn would reach the other nodes as one.
      await nextTurn()
    }
    this.#hub.leave(ws, room)
    guest.room = undefined
  }

  /** The guests in a room, including those whose grace period is not over. */
  #members(room) {
    const members = new Map(this.#absences.in(room).map(({ id, name }) => [id, name]))
    for (const { key, info } of this.#hub.presence.known(room)) members.set(key, info.name)
    return [...members].map(([id, name]) => ({ id, name }))
  }

  /** The presence in a room has changed, on any node. Every node tells its own guests. */
  #changed(event, room, { key: id, info, connections }) {
    const { name, owner, isLeaving } = info
    // The feed and the list of rooms reach all nodes, so only the node of the guest sends them. If that node died, none does.
    const isOurs = connections.some((connection) => this.#guests.has(connection))
    if (event !== 'leave') {
      if (!isLeaving) this.#joined(room, { id, name, owner, isOurs, isUpdate: event === 'update', except: connections })
    } else if (isLeaving) this.#left({ room, id, name, isOurs })
    else this.#absences.add({ room, id, name, owner, isOurs })
  }

  #joined(room, { id, name, owner, isOurs, isUpdate, except }) {
    const absence = this.#absences.take(room, id)
    const isBack = absence !== undefined && absence.owner === owner
    // Another guest has taken the name in the meantime.
    if (absence !== undefined && !isBack) this.#left(absence)
    const told = { type: 'joined', id: randomUUID(), member: { id, name }, at: Date.now(), quiet: isUpdate || isBack }
    this.#hub.to(room).broadcastJSON(told, { local: true, except })
    if (!isOurs) return this.#tidy(room)
    this.feed.broadcastJSON({ room, ...told })
    this.#rooms.changed()
  }

  #left({ room, id, name, isOurs }) {
    const told = { type: 'left', id: randomUUID(), member: { id, name }, at: Date.now() }
    this.#hub.to(room).broadcastJSON(told, { local: true })
    if (isOurs) this.feed.broadcastJSON({ room, ...told })
    this.#rooms.changed()
    this.#tidy(room)
  }

  /** Drops the history of a room after its last guest on this node has left, and none is away within the grace period. */
  #tidy(room) {
    if (this.#hub.getClientCount(room) === 0 && this.#absences.in(room).length === 0) this.#history.drop(room)
  }

  /** Their grace is over. A node without guests in a room does not hear who came back on another node, so it asks. */
  async #gone(room, absences) {
    const present = new Set((await this.#hub.presence.list(room)).map(({ key }) => key))
    for (const absence of absences) if (!present.has(absence.id)) this.#left(absence)
    this.#tidy(room)
  }

  #notice(text) {
    this.#hub.broadcastJSON({ type: 'notice', text }, { local: true })
  }
}

/** The connection is closed with the `closeCode` of the error. */
function policyViolation() {
  return Object.assign(new Error('too many refused messages'), {
    closeCode: CloseCode.PolicyViolation,
    reason: 'too many refused messages'
  })
}
