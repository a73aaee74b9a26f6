import { randomUUID } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { WebSocketHub } from 'fastify-blaze-ws'
import { Absences, GRACE } from './absences.js'
import { feedContract } from './feed-contract.js'
import { Guest } from './guest.js'
import { idOf, isNameRoom, Names, ownerOf } from './names.js'
import { chatContract } from './public/chat-contract.js'
import { RoomList } from './room-list.js'
import { Turns } from './turns.js'
import { checkKey, checkName, checkRoom, Refusal } from './validate.js'

/** In a room with more guests, typing notices are not sent: they would cost more than the messages. */
const MAX_TYPING_ROOM = 100
/** How many messages a page gets that is new in a room. A page that comes back gets those that it has missed. */
const FOR_NEWCOMERS = 50

/** The chat: rooms, guests and messages, on one node or on several. public/chat-contract.js says what a client may send and gets. */
export class Chat {
  /** The hub for operators who watch all rooms. It is separate, so that broadcasts to guests do not reach operators. */
  feed
  #hub
  #keepsMessages
  #names
  #node
  #rooms
  #absences
  #turns = new Turns()
  /** The connections of this node whose guests have joined, by their ids. */
  #joined = new Set()

  /**
   * @param hub sends to the guests of all nodes.
   * @param options `keepsMessages` is true if the hub can publish. `node` is the name of this node, which its guests see. `grace` is how long a guest may be away before the
   * others are told, in milliseconds.
   */
  constructor(hub, { feed = new WebSocketHub(), keepsMessages = true, node, grace = GRACE } = {}) {
    this.feed = feed
    this.#hub = hub
    this.#keepsMessages = keepsMessages
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
   * Who connects. A client of ours sends the key of its tab, with which it gets its name back when it reconnects; others are
   * strangers each time.
   */
  admit(ws, auth) {
    return new Guest(ws, ownerOf(auth === undefined ? randomUUID() : checkKey(auth?.key)))
  }

  /** The functions for the calls of the contract. */
  calls = {
    join: (wish, { auth: guest }) => this.#join(guest, wish),
    say: (said, { auth: guest }) => this.#say(guest, said)
  }

  /** The handler of a connection. */
  async serve(ws) {
    const guest = ws.auth
    try {
      for await (const { type, data } of ws) {
        if (type === 'leave') return await this.#leave(guest)
        this.#type(guest, data)
      }
    } finally {
      // During a shutdown all guests leave at once and come back, so the others are not told.
      if (ws.context().isShuttingDown()) ws.sendAsync('restarting')
      else if (guest.room !== undefined) this.#hub.leave(ws, guest.room)
      this.#joined.delete(ws.id)
    }
  }

  /** Sends a text to all guests in all rooms; resolves to their number. */
  async announce(text) {
    const announcement = { id: randomUUID(), text, at: Date.now() }
    this.feed.broadcast(feedContract, 'announcement', announcement)
    this.#hub.broadcast(chatContract, 'announcement', announcement)
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

  async #join(guest, wish) {
    guest.act()
    const name = checkName(wish.name)
    const checked = { id: idOf(name), name, room: checkRoom(wish.room), owner: guest.owner }
    // If two guests want the same name at the same time, the second check must see the first guest.
    return this.#turns.take(`name ${checked.id}`, () =>
      guest.id === checked.id ? this.#enter(guest, checked) : this.#enterAs(guest, checked)
    )
  }

  /** Joins under a name that this connection does not have yet. */
  async #enterAs(guest, wish) {
    // True if the same client is back before we noticed that its old connection is dead, or if its tab was duplicated.
    const isBack = await this.#names.check(wish)
    if (guest.id !== undefined) this.#names.takeBack(guest.ws, guest.id)
    const welcome = await this.#enter(guest, wish)
    if (isBack) this.#names.replace(wish.id)
    this.#names.give(guest.ws, wish)
    return welcome
  }

  async #enter(guest, { id, name, room, owner }) {
    const { ws } = guest
    if (guest.room !== room) await this.#leave(guest)
    Object.assign(guest, { id, name, room })
    this.#joined.add(ws.id)
    this.#hub.join(ws, room, this.#keepsMessages ? { last: FOR_NEWCOMERS } : {})
    if (!this.#hub.presence.set(ws, room, { name, owner }, { key: id })) {
      this.#joined.delete(ws.id)
      throw new Refusal('The connection is closed.')
    }
    // Guests who come from now on are announced as joined. The earlier ones are known after the other nodes have answered.
    await this.#hub.presence.list(room)
    this.#rooms.changed()
    const members = this.#members(room)
    return { you: { id, name }, room, members, rooms: this.#rooms.latest, at: Date.now(), node: this.#node }
  }

  async #say(guest, { text }) {
    guest.act()
    const { ws, id, name, room } = guest
    if (!this.#hub.rooms(ws).includes(room)) throw new Refusal('Join a room first.')
    const said = { id: randomUUID(), room, from: { id, name }, text: text.trim(), at: Date.now() }
    await this.#tell(said)
    this.feed.broadcast(feedContract, 'said', said)
  }

  /** Sends a message to the room, also to those who are away for a moment. */
  async #tell(said) {
    const room = this.#hub.to(said.room)
    try {
      if (this.#keepsMessages) await room.publish(chatContract, 'said', said, { id: said.id })
      else room.broadcast(chatContract, 'said', said)
    } catch {
      throw new Refusal('Your message could not be stored. Try again in a moment.')
    }
  }

  /** Tells the others in the room who is typing. */
  #type(guest, { active }) {
    const { ws, id, name, room } = guest
    if (!guest.mayType(active)) return
    if (!this.#hub.rooms(ws).includes(room) || this.#hub.getClientCount(room) > MAX_TYPING_ROOM) return
    this.#hub.to(room).broadcast(chatContract, 'typing', { room, member: { id, name }, active }, { except: ws })
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
    const isOurs = connections.some((connection) => this.#joined.has(connection))
    if (event !== 'leave') {
      if (!isLeaving)
        this.#arrived(room, { id, name, owner, isOurs, isUpdate: event === 'update', except: connections })
    } else if (isLeaving) this.#left({ room, id, name, isOurs })
    else this.#absences.add({ room, id, name, owner, isOurs })
  }

  #arrived(room, { id, name, owner, isOurs, isUpdate, except }) {
    const absence = this.#absences.take(room, id)
    const isBack = absence !== undefined && absence.owner === owner
    // Another guest has taken the name in the meantime.
    if (absence !== undefined && !isBack) this.#left(absence)
    const told = { id: randomUUID(), room, member: { id, name }, at: Date.now(), quiet: isUpdate || isBack }
    this.#hub.to(room).broadcast(chatContract, 'joined', told, { local: true, except })
    if (!isOurs) return
    this.feed.broadcast(feedContract, 'joined', told)
    this.#rooms.changed()
  }

  #left({ room, id, name, isOurs }) {
    const told = { id: randomUUID(), room, member: { id, name }, at: Date.now() }
    this.#hub.to(room).broadcast(chatContract, 'left', told, { local: true })
    if (isOurs) this.feed.broadcast(feedContract, 'left', told)
    this.#rooms.changed()
  }

  /** Their grace is over. A node without guests in a room does not hear who came back on another node, so it asks. */
  async #gone(room, absences) {
    const present = new Set((await this.#hub.presence.list(room)).map(({ key }) => key))
    for (const absence of absences) if (!present.has(absence.id)) this.#left(absence)
  }

  #notice(text) {
    this.#hub.broadcast(chatContract, 'notice', { text }, { local: true })
  }
}
