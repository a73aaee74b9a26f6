// Many clients in one process, and what they have got. Each attempt to connect goes to the next node.
import { setTimeout as sleep } from 'node:timers/promises'
import WebSocket from 'ws'
import { connect } from '../../dist/esm/client.js'
import { Latencies } from '../jitter/latencies.mjs'
import { serve } from '../jitter/serve.mjs'
import { roomOf } from './rooms.mjs'

/** `first` and `last` are the numbers of the clients of this process. */
const { ports, first, last, rooms } = JSON.parse(process.argv[2])
/** So many clients connect, and then there is a pause, in milliseconds. */
const GROUP = 5
const PAUSE = 10

class StormClient {
  isOpen = false
  hasGivenUp = false
  missing = 0
  repeated = 0
  gaps = 0
  #next
  #lostAt = 0
  #away

  /** @param away counts how long clients were away. */
  constructor(number, away) {
    this.#next = roomOf(number, rooms)
    this.#away = away
    let attempt = number
    const url = () => `ws://127.0.0.1:${ports[attempt++ % ports.length]}/${number}`
    const client = connect({ url, WebSocket })
    client.on('state', (state) => {
      if (state === 'waiting' && this.isOpen) this.#onLost()
      else if (state === 'closed') this.hasGivenUp = true
    })
    client.on('welcome', () => this.#onWelcome())
    client.on('said', (message) => this.#onMessage(message))
    client.on('gap', () => this.gaps++)
    // A failed attempt is followed by the next one.
    client.on('error', () => undefined)
  }

  #onLost() {
    this.isOpen = false
    this.#lostAt = Date.now()
  }

  #onWelcome() {
    this.isOpen = true
    if (this.#lostAt > 0) this.#away.add(Date.now() - this.#lostAt)
  }

  #onMessage({ number }) {
    if (number < this.#next) {
      this.repeated++
    } else {
      this.missing += (number - this.#next) / rooms
      this.#next = number + rooms
    }
  }

  /** Whether all messages below `published` that are for this client have come, or later ones. */
  hasAll(published) {
    return this.#next >= published
  }

  /** Nothing more comes. */
  end(published) {
    if (!this.hasAll(published)) this.missing += Math.ceil((published - this.#next) / rooms)
  }
}

let away = new Latencies()
const clients = []
const sum = (value) => clients.reduce((total, client) => total + Number(value(client)), 0)

serve({
  start: async () => {
    for (let number = first; number <= last; number++) {
      clients.push(new StormClient(number, { add: (time) => away.add(time) }))
      if (number % GROUP === 0) await sleep(PAUSE)
    }
  },
  begin: () => {
    away = new Latencies()
  },
  progress: ({ published = 0 }) => ({
    open: sum(({ isOpen }) => isOpen),
    complete: sum((client) => client.hasAll(published))
  }),
  away: () => away.entries,
  end: ({ published }) => {
    for (const client of clients) client.end(published)
    return {
      missing: sum(({ missing }) => missing),
      repeated: sum(({ repeated }) => repeated),
      gaps: sum(({ gaps }) => gaps),
      gaveUp: sum(({ hasGivenUp }) => hasGivenUp)
    }
  }
})
