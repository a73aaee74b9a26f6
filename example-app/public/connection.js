import { connect } from 'fastify-blaze-ws/client'
import { chatContract } from './chat-contract.js'
import { key } from './tab.js'

/** A server that does not answer in this time is as good as gone. In milliseconds. */
const ANSWER_WITHIN = 8000
const FAREWELL_WITHIN = 2000

/** The page's connection to the chat. Its client reconnects by itself; another one takes its place only to begin anew at once. */
export class Connection {
  /** Undefined before the user has entered the chat, and after leaving it. */
  client
  #on

  /** @param on a function for each event. Events of earlier clients are not passed on. */
  constructor(on) {
    this.#on = on
  }

  /** @param positions where the page was before it was reloaded. */
  open(positions) {
    const old = this.client
    const own = connect(chatContract, {
      url: `${location.origin.replace('http', 'ws')}/ws`,
      auth: () => ({ key: key() }),
      positions: old?.positions ?? positions,
      reconnect: { min: 500, max: 15_000 }
    })
    this.client = own
    for (const [event, listener] of Object.entries(this.#on)) {
      own.on(event, (data) => this.client === own && listener(data))
    }
    old?.close()
    this.#on.state(own.state)
  }

  /** The server closes the connection of a guest who leaves. */
  leave() {
    const old = this.client
    this.client = undefined
    old.send('leave').catch(() => old.close())
    setTimeout(() => old.close(), FAREWELL_WITHIN)
  }

  async call(name, input) {
    const own = this.client
    try {
      return await own.call(name, input, { timeout: ANSWER_WITHIN })
    } catch (error) {
      if (error.code === 'TIMEOUT' && this.client === own) this.open()
      throw error
    }
  }
}
