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
/** In a room with more guests, who is typing is no news to anybody, and telling it would cost more than the messages. */
const MAX_TYPING_ROOM = 100
const MAX_REFUSALS = 100

/**
 * Who is in which room, and what they say, on one node or on several. A client sends
 *
 *     { type: 'join', name, room, key }   key: the client's own secret, by which it takes its name along when it reconnects
 *     { type: 'message', text, ref }      comes back to it with its ref: so it knows that the message has arrived
 *     { type: 'typing', active }          told to the others in the room, and never answered
 *     { type: 'leave' }                   has left at once; whoever only disconnects has a few seconds to come back
 *     { type: 'ping' }                    answered with a pong
 *
 * and gets `welcome`, `joined`, `left`, `message`, `typing`, `announcement`, `rooms`, `notice`, `pong`, `error` and `shutdown`.
 * A message that was said while it joined may come twice, under the same id. `joined` is `quiet` where it is no news: somebody
 * is back after a moment.
 */
export class Chat {
  /** For those who watch everything: a hub of its own, so that nothing that is meant for the guests reaches them twice. */
  feed
  #hub
  #history
  #names
  #node
  #rooms
  #absences
  #turns = new Turns()
  /** Those of this node who have joined: the id of the connection → { ws, id, name, room }. */
  #guests = new Map()

  /**
   * @param hub everything that the guests of all nodes are to hear goes through it.
   * @param options `node` is the name of this node, which its guests get to see; `grace` how long somebody may be away, in
   * milliseconds, before the others hear of it
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
    hub.on('degraded', () => this.#notice('The other servers cannot be reached: only those on this one hear you.'))
    hub.on('recovered', () => this.#notice('All servers are together again.'))
  }

  /**
   * The handler of a connection. `readJSON` rejects when the peer has gone, which ends the handler and is no error, and on
   * what is no JSON, which closes the connection with 1007: no client of ours sends that.
   */
  async serve(ws) {
    const guest = { ws, bucket: new TokenBucket(RATE), typing: new TokenBucket(TYPING_RATE), refusals: 0 }
    try {
      for (;;) await this.#receive(guest, await ws.readJSON())
    } finally {
      // When the server stops all leave at once, and come back: nobody here needs to hear of it.
      if (!ws.context().isShuttingDown() && guest.room !== undefined) this.#hub.leave(ws, guest.room)
      this.#guests.delete(ws.id)
    }
  }

  /** To everybody in every room; resolves to how many that are. */
  async announce(text) {
    const announcement = { type: 'announcement', id: randomUUID(), text, at: Date.now() }
    this.feed.broadcastJSON(announcement)
    this.#hub.broadcastJSON(announcement)
    const { count } = await this.#hub.cluster.getClientCount()
    return count
  }

  /** Sends the one of that name away; false where there is none. */
  async kick(name) {
    return this.#names.kick(idOf(checkName(name)))
  }

  /** A name like this one that nobody has at the moment. */
  async freeName(like) {
    return this.#names.free(checkName(like))
  }

  rooms() {
    return this.#rooms.ask()
  }

  /** Nobody is told any more who has gone: call it when the server begins to close. */
  close() {
    this.#absences.close()
  }

  /** Does what a message asks for, or says politely why not. */
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
    // Of two who want a name at the same time, the second is to see the first.
    await this.#turns.take(`name ${wish.id}`, () =>
      guest.id === wish.id ? this.#enter(guest, wish) : this.#enterAs(guest, wish)
    )
  }

  /** Under a name that this connection does not have yet. */
  async #enterAs(guest, wish) {
    // The same client, back before we noticed that its old connection is dead, or from a copied tab: it has not left at all.
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
    // Who comes from here on is told as joined, who was there before is known when the other nodes have answered.
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
    // What was said while the history was on its way.
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

  /** Only to those who are in the room with them, and not to themselves. */
  #type({ ws, id, name, room, typing }, { active }) {
    if (!this.#hub.rooms(ws).includes(room) || this.#hub.getClientCount(room) > MAX_TYPING_ROOM) return
    if (active === true && !typing.take()) return
    this.#hub.to(room).broadcastJSON({ type: 'typing', member: { id, name }, active: active === true }, { except: ws })
  }

  async #sendOff(guest) {
    await this.#leave(guest)
    await guest.ws.close()
  }

  /** On purpose: nobody waits whether they come back. */
  async #leave(guest) {
    const { ws, id, name, room } = guest
    if (room === undefined) return
    if (this.#hub.rooms(ws).includes(room)) {
      this.#hub.presence.set(ws, room, { name, isLeaving: true }, { key: id })
      // What changes twice within a turn, the other nodes hear once.
      await nextTurn()
    }
    this.#hub.leave(ws, room)
    guest.room = undefined
  }

  /** Who is here, and who has not been told as gone yet. */
  #members(room) {
    const members = new Map(this.#absences.in(room).map(({ id, name }) => [id, name]))
    for (const { key, info } of this.#hub.presence.known(room)) members.set(key, info.name)
    return [...members].map(([id, name]) => ({ id, name }))
  }

  /** Who is in a room has changed, on whatever node: every node tells its own guests. */
  #changed(event, room, { key: id, info, connections }) {
    const { name, owner, isLeaving } = info
    // The feed and the list of rooms are for all nodes: one of them sends it. Who was on a node that died is nobody's.
    const isOurs = connections.some((connection) => this.#guests.has(connection))
    if (event !== 'leave') {
      if (!isLeaving) this.#joined(room, { id, name, owner, isOurs, isUpdate: event === 'update', except: connections })
    } else if (isLeaving) this.#left({ room, id, name, isOurs })
    else this.#absences.add({ room, id, name, owner, isOurs })
  }

  #joined(room, { id, name, owner, isOurs, isUpdate, except }) {
    const absence = this.#absences.take(room, id)
    const isBack = absence !== undefined && absence.owner === owner
    // Somebody else has taken the name meanwhile.
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

  /** What was said is kept for as long as somebody of this node is in the room, or may be back in a moment. */
  #tidy(room) {
    if (this.#hub.getClientCount(room) === 0 && this.#absences.in(room).length === 0) this.#history.drop(room)
  }

  /** Their grace is over. A node that has nobody left in a room is not told who comes back elsewhere: it asks. */
  async #gone(room, absences) {
    const present = new Set((await this.#hub.presence.list(room)).map(({ key }) => key))
    for (const absence of absences) if (!present.has(absence.id)) this.#left(absence)
    this.#tidy(room)
  }

  #notice(text) {
    this.#hub.broadcastJSON({ type: 'notice', text }, { local: true })
  }
}

/** The close code of an error is the one its connection is closed with. */
function policyViolation() {
  return Object.assign(new Error('too many refused messages'), {
    closeCode: CloseCode.PolicyViolation,
    reason: 'too many refused messages'
  })
}
