// One of the load processes of the soak test: keeps a number of connections, honest and hostile, and replaces those that end.
import { setTimeout as sleep } from 'node:timers/promises'
import { Honest } from './honest.mjs'
import { hostile, HOSTILE_KINDS } from './hostile.mjs'
import { Dice } from './random.mjs'

const { port, connections, seed, rooms, lives, ramp } = JSON.parse(process.argv[2])
const HOSTILE_EVERY = 10
const dice = new Dice(seed)
const url = `ws://127.0.0.1:${port}`

/** The results of this process. */
const report = {
  rooms,
  isEnding: false,
  counts: { honest: 0, hostile: 0, delivered: 0, lost: 0, outOfOrder: 0, got1001: 0 },
  wrongs: [],
  wrongCount: 0,
  errors: {},
  wrong(note) {
    this.wrongCount++
    if (this.wrongs.length < 10) this.wrongs.push(note)
  },
  error({ message }) {
    this.errors[message] = (this.errors[message] ?? 0) + 1
  },
  honestEnded(ledger, code) {
    const { counts } = this
    counts.delivered += ledger.delivered
    counts.lost += ledger.lost
    counts.outOfOrder += ledger.outOfOrder
    if (code === 1001) counts.got1001++
    for (const note of ledger.notes) if (this.wrongs.length < 10) this.wrongs.push(note)
  }
}
for (const event of ['unhandledRejection', 'uncaughtException'])
  process.on(event, (error) => report.wrong(`${event} in a client: ${error?.stack}`))

const honest = new Set()

async function runHonest() {
  const client = new Honest(dice, report)
  honest.add(client)
  report.counts.honest++
  await client.run(url, dice.between(...lives))
  honest.delete(client)
}

async function runHostile() {
  report.counts.hostile++
  await hostile(port, dice.pick(HOSTILE_KINDS), dice)
  // A client that is refused at once must not come back a thousand times a second.
  await sleep(dice.between(50, 500), undefined, { ref: false })
}

const isHostile = (slot) => slot % HOSTILE_EVERY === HOSTILE_EVERY - 1

async function fill(slot) {
  await sleep((slot / connections) * ramp)
  const run = isHostile(slot) ? runHostile : runHonest
  do await run()
  while (!report.isEnding)
}

/** All connected clients stay, so that each of them must get 1001. */
async function end() {
  report.isEnding = true
  for (const client of honest) client.stay()
  while ([...honest].some((client) => client.isBetween)) await sleep(10)
  process.send({ staying: honest.size })
}

function summary() {
  const { counts, wrongs, wrongCount, errors } = report
  return { ...counts, open: honest.size, wrongs, wrongCount, errors }
}

process.on('message', (command) => {
  if (command === 'end') void end()
  if (command === 'progress') process.send({ progress: summary() })
})
process.on('disconnect', () => process.exit())
const slots = Array.from({ length: connections }, (_, slot) => ({ isHostile: isHostile(slot), done: fill(slot) }))
// Does not wait for the hostile clients: some of them never notice that they were dropped.
await Promise.all(slots.filter((slot) => !slot.isHostile).map(({ done }) => done))
process.send({ summary: summary() })
