import { randomUUID } from 'node:crypto'
import { CloseCode, WebSocketHub } from 'fastify-blaze-ws'
import { TokenBucket } from './token-bucket.js'
import { checkKey, checkMessage, checkName, checkRoom, Refusal } from './validate.js'

/** Close codes of our own, 4000 to 4999 are free for that. A client does not come back by itself after these. */
const REPLACED = 4000
const KICKED = 4001

const HISTORY = 50
const RATE = { burst: 10, perSecond: 2 }
const MAX_REFUSALS = 100

/**
 * Who is in which room, and what they say. A client sends
 *
 *     { type: 'join', name, room, key }   key: the client's own secret, by which it takes its name along when it reconnects
 *     { type: 'message', text, ref }      comes back to it with its ref: so it knows that the message has arrived
 *     { type: 'ping' }                    answered with a pong
 *
 * and gets `welcome`, `joined`, `left`, `message`, `announcement`, `rooms`, `pong`, `error` and `shutdown`.
 */
export class Chat {
  /** For those who watch everything: a hub of its own, so that nothing that is meant for the guests reaches them twice. */
  feed = new WebSocketHub()
  #hub
  /** @type {Map<import('fastify-blaze-ws').WebSocketConnection, { id: string, name: string, room: string, key: string }>} */
  #members = new Map()
  /** The last messages of each room that is not empty. */
  #history = new Map()
  #roomsTimer

  constructor(hub) {
    this.#hub = hub
  }

  /**
   * The handler of a connection. `readJSON` rejects when the peer has gone, which ends the handler and is no error, and on
   * what is no JSON, which closes the connection with 1007: no client of ours sends that.
   */
  async serve(ws) {
    const limit = { bucket: new TokenBucket(RATE), refusals: 0 }
    try {
      for (;;) await this.#receive(ws, await ws.readJSON(), limit)
    } finally {
      // When the server stops all leave at once, and come back: nobody needs to hear of it.
      if (!ws.context().isShuttingDown()) this.#leave(ws)
    }
  }

  /** To everybody in every room; returns how many that were. */
  announce(text) {
    const announcement = { type: 'announcement', id: randomUUID(), text, at: Date.now() }
    this.feed.broadcastJSON(announcement)
    return this.#hub.broadcastJSON(announcement)
  }

  /** Sends the one of that name away; false where there is none. */
  kick(name) {
    const [ws] = this.#find((member) => sameName(member.name, name))
    if (ws === undefined) return false
    this.#leave(ws)
    void ws.close(KICKED, 'removed by an operator')
    return true
  }

  rooms() {
    return this.#hub
      .getRooms()
      .map((name) => ({ name, members: this.#hub.getClientCount(name) }))
      .toSorted((a, b) => b.members - a.members || a.name.localeCompare(b.name))
  }

  /** Does what a message asks for, or says politely why not. */
  async #receive(ws, message, limit) {
    const { type, ref } = message ?? {}
    try {
      if (!limit.bucket.take()) throw new Refusal('That was too fast. Wait a moment, then send it again.')
      if (type === 'join') this.#join(ws, message)
      else if (type === 'message') this.#say(ws, message)
      else if (type === 'ping') await ws.writeJSON({ type: 'pong' })
      else throw new Refusal('This kind of message is unknown here.')
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      if (++limit.refusals > MAX_REFUSALS) throw policyViolation()
      await ws.writeJSON({ type: 'error', text: error.message, about: type, ref })
    }
  }

  #join(ws, message) {
    const member = { id: ws.id, name: checkName(message.name), room: checkRoom(message.room), key: checkKey(message.key) }
    const [other, namesake] = this.#find(({ name }, at) => at !== ws && sameName(name, member.name))
    if (other !== undefined && namesake.key !== member.key) throw new Refusal(`The name ${member.name} is taken. Please choose another.`)

    // The same client, back before we noticed that its old connection is dead, or from a copied tab: it has not left at all.
    const quiet = namesake?.room === member.room
    if (other !== undefined) {
      this.#leave(other, { quiet })
      void other.close(REPLACED, 'continued elsewhere')
    }
    this.#leave(ws)
    this.#enter(ws, member, quiet)
  }

  #enter(ws, member, quiet) {
    const { id, name, room } = member
    if (!this.#hub.join(ws, room)) return
    this.#members.set(ws, member)
    this.#tell(room, { type: 'joined', id: randomUUID(), member: { id, name }, at: Date.now(), quiet }, ws)
    void ws.writeJSON({
      type: 'welcome',
      you: { id, name },
      room,
      members: this.#hub.getClients(room).map((one) => ({ id: one.id, name: this.#members.get(one).name })),
      rooms: this.rooms(),
      history: this.#history.get(room) ?? []
    })
    this.#roomsChanged()
  }

  #say(ws, message) {
    const member = this.#members.get(ws)
    if (member === undefined) throw new Refusal('Join a room first.')
    const { id, name, room } = member
    const said = { type: 'message', id: randomUUID(), from: { id, name }, text: checkMessage(message.text), at: Date.now() }
    const ref = checkKey(message.ref)
    this.#history.set(room, [...(this.#history.get(room) ?? []).slice(1 - HISTORY), said])
    this.#tell(room, { ...said, ref })
  }

  #leave(ws, { quiet = false } = {}) {
    const member = this.#members.get(ws)
    if (member === undefined) return
    const { id, name, room } = member
    this.#members.delete(ws)
    this.#hub.leave(ws, room)
    if (this.#hub.getClientCount(room) === 0) this.#history.delete(room)
    this.#tell(room, { type: 'left', id: randomUUID(), member: { id, name }, at: Date.now(), quiet })
    this.#roomsChanged()
  }

  #tell(room, event, except = []) {
    this.#hub.to(room).broadcastJSON(event, { except })
    this.feed.broadcastJSON({ room, ...event })
  }

  /** A hundred people who come back after a restart make a few lists, not a hundred for each of them. */
  #roomsChanged() {
    if (this.#roomsTimer !== undefined) return
    this.#roomsTimer = setTimeout(() => {
      this.#roomsTimer = undefined
      this.#hub.broadcastJSON({ type: 'rooms', rooms: this.rooms() })
    }, 100).unref()
  }

  #find(predicate) {
    for (const [ws, member] of this.#members) if (predicate(member, ws)) return [ws, member]
    return []
  }
}

function sameName(a, b) {
  return a.toLowerCase() === b.toLowerCase()
}

/** The close code of an error is the one its connection is closed with. */
function policyViolation() {
  return Object.assign(new Error('too many refused messages'), { closeCode: CloseCode.PolicyViolation, reason: 'too many refused messages' })
}
