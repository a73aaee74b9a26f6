// Many clients of a contender in one process, and what they have got.
import { setTimeout as sleep } from 'node:timers/promises'
import { Latencies } from './latencies.mjs'
import { Ledger } from './ledger.mjs'
import { absencesOf } from './plan.mjs'
import { serve } from './serve.mjs'

/** `first` and `last` are the numbers of the clients of this process. */
const { contender, port, nodes, first, last, room, ...options } = JSON.parse(process.argv[2])
/** The same for all contenders, in milliseconds. */
const RECONNECT = { min: 500, max: 5_000 }
/** How long after one client the next one connects, in milliseconds. */
const SPACING = 3
const KEPT_EXAMPLES = 5

const { connectClient } = await import(contender === 'socket.io' ? './socket.io-client.mjs' : './blaze-client.mjs')
const ledgers = new Map()
let start = 0
const latencies = { there: new Latencies(), away: new Latencies() }

/** Each attempt goes to the next node. */
function queries(client) {
  let attempt = client
  return () => ({ client: String(client), node: String(attempt++ % nodes) })
}

function startClient(client) {
  const ledger = new Ledger(room)
  ledgers.set(client, ledger)
  connectClient({
    port,
    nextQuery: queries(client),
    reconnect: RECONNECT,
    onOpen: () => ledger.onOpen(),
    onLost: () => ledger.onLost(),
    onWelcome: () => (ledger.isWelcome = true),
    onGap: () => ledger.gaps++,
    onGaveUp: (closeInfo) => ledger.onGaveUp(closeInfo),
    onMessage: ({ number, at }) => {
      if (!ledger.onMessage(number)) return
      const now = Date.now()
      latencies[ledger.wasThere(at, now) ? 'there' : 'away'].add(now - at)
    }
  })
}

function sum(key) {
  let total = 0
  for (const ledger of ledgers.values()) total += ledger[key]
  return total
}

function report({ published }) {
  const keys = ['delivered', 'outOfOrder', 'repeated', 'gaps', 'reconnects', 'hasGivenUp']
  const missing = [...ledgers].map(([client, ledger]) => ({
    client,
    ranges: ledger.missing(published),
    isOpen: ledger.isOpen,
    closeInfo: ledger.closeInfo,
    // In milliseconds after the beginning.
    openedAt: ledger.openedAt - start
  }))
  return {
    ...Object.fromEntries(keys.map((key) => [key, sum(key)])),
    there: latencies.there.entries,
    away: latencies.away.entries,
    examples: missing.filter(({ ranges }) => ranges.length > 0).slice(0, KEPT_EXAMPLES)
  }
}

serve({
  start: async () => {
    for (let client = first; client <= last; client++) {
      startClient(client)
      await sleep(SPACING)
    }
  },
  begin: (data) => {
    start = data.start
    for (const [client, ledger] of ledgers) ledger.expect(absencesOf(options, client), start)
  },
  progress: () => ({
    welcome: sum('isWelcome'),
    open: sum('isOpen'),
    gaveUp: sum('hasGivenUp'),
    delivered: sum('delivered')
  }),
  report
})
