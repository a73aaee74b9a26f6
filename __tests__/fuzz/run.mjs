// Fuzzes a server with frames and with opening handshakes. Everything follows from a seed, and each case has its own:
//   node __tests__/fuzz/run.mjs [--frames 1000000] [--handshakes 100000] [--seed n]
//   node __tests__/fuzz/run.mjs --only stream:123 [--only handshake:456]
// The environment variable FUZZ_DIST selects a build other than dist.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { playHandshake } from './knocks.mjs'
import { seedOf } from './random.mjs'
import { playStream } from './streams.mjs'

const { values } = parseArgs({
  options: {
    frames: { type: 'string', default: '1000000' },
    handshakes: { type: 'string', default: '100000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 32) },
    only: { type: 'string', multiple: true, default: [] }
  }
})

const STREAMS_AT_ONCE = 24
const HANDSHAKES_AT_ONCE = 48
const TIME_FOR_REPORT = 10_000
const MAX_GROWTH = 6 * 1024 * 1024
/** Findings of one kind that are printed; the rest is only counted. */
const MAX_PRINTED = 3
const MAX_FINDINGS = 10_000
/** Cases played before memory is measured, so that the code is compiled and the permanent buffers are allocated. */
const WARM_UP = 500

const state = {
  findings: 0,
  frames: 0,
  streams: 0,
  handshakes: 0,
  outcomes: new Map(),
  problems: new Map(),
  running: new Set()
}
const startedAt = performance.now()
const elapsed = () => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`

function print(problem, details = {}) {
  state.findings++
  const times = (state.problems.get(problem) ?? 0) + 1
  state.problems.set(problem, times)
  if (times > MAX_PRINTED) return
  console.log(`FINDING: ${problem}`)
  for (const [name, value] of Object.entries(details)) console.log(`  ${name}: ${value}`)
}

/** The server's process. */
class Server {
  #child = fork(fileURLToPath(new URL('server.mjs', import.meta.url)), { execArgv: ['--expose-gc'] })
  #seen = new Map()
  #waiting = new Map()

  async start() {
    this.#child.on('message', ({ seen, crash }) => {
      if (seen !== undefined) this.#hasSeen(seen)
      if (crash !== undefined) print(`in the server, while these ran: ${[...state.running].join(' ')}`, { crash })
    })
    this.#child.on('exit', (code, signal) => {
      if (!this.isStopping)
        print(`the server's process ended with ${code ?? signal}, while these ran: ${[...state.running].join(' ')}`)
      if (!this.isStopping) process.exit(1)
    })
    this.port = (await this.#report('port')).port
  }

  #hasSeen(seen) {
    const waiting = this.#waiting.get(seen.id)
    if (waiting === undefined) this.#seen.set(seen.id, seen)
    else waiting(seen)
  }

  /** What the route has seen on the connection with this id; undefined if its report does not come in time. */
  reportOf(id) {
    const seen = this.#seen.get(id)
    this.#seen.delete(id)
    if (seen !== undefined) return seen
    return new Promise((resolve) => {
      const done = (seen) => {
        clearTimeout(timer)
        this.#waiting.delete(id)
        resolve(seen)
      }
      const timer = setTimeout(done, TIME_FOR_REPORT)
      this.#waiting.set(id, done)
    })
  }

  async #report(key) {
    for (;;) {
      const [report] = await once(this.#child, 'message')
      if (key in report) return report
    }
  }

  async state() {
    this.#child.send('state')
    return (await this.#report('state')).state
  }

  async stop() {
    this.isStopping = true
    const exited = once(this.#child, 'exit')
    this.#child.send('close')
    const isDone = await Promise.race([exited, new Promise((resolve) => setTimeout(resolve, 10_000).unref())])
    if (isDone !== undefined) return
    print('the server does not stop')
    this.#child.kill('SIGKILL')
  }
}

/** Plays one case, and counts and prints the result. */
async function play(server, kind, seed, index) {
  const name = `${kind}:${seed}`
  state.running.add(name)
  const {
    frames = 0,
    outcome,
    finding
  } = kind === 'stream'
    ? await playStream(server.port, seed, String(index), (id) => server.reportOf(id))
    : await playHandshake(server.port, seed)
  state.running.delete(name)
  state.frames += frames
  state[`${kind}s`]++
  state.outcomes.set(outcome, (state.outcomes.get(outcome) ?? 0) + 1)
  if (finding === undefined) return
  const hex = finding.bytes.toString('hex')
  const isShort = hex.length < 4000 || values.only.length > 0
  print(finding.problem, {
    ...finding.details,
    bytes: isShort ? hex : `${hex.slice(0, 4000)}… (${finding.bytes.length} bytes)`,
    replay: `node __tests__/fuzz/run.mjs --only ${name}`
  })
}

/** Plays cases in parallel until there are enough of them, or too many findings to read. */
async function playMany(server, kind, limit, isEnough) {
  let next = state[`${kind}s`]
  await Promise.all(
    Array.from({ length: limit }, async () => {
      while (!isEnough(next) && state.findings < MAX_FINDINGS) {
        const index = next++
        await play(server, kind, seedOf(Number(values.seed), kind === 'stream' ? index : -1 - index), index)
      }
    })
  )
}

const playStreams = (server, frames) => playMany(server, 'stream', STREAMS_AT_ONCE, () => state.frames >= frames)
const playHandshakes = (server, count) => playMany(server, 'handshake', HANDSHAKES_AT_ONCE, (index) => index >= count)

/** Waits until the last connections are gone: the server notices this a little later than the clients. */
async function quietState(server) {
  for (let times = 0; ; times++) {
    const found = await server.state()
    if ((found.open === 0 && found.sockets === 0 && found.handles === 0) || times === 50) return found
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

async function playAll(server) {
  const { frames, handshakes } = values
  await playHandshakes(server, Math.min(WARM_UP, Number(handshakes)))
  await playStreams(server, Math.min(WARM_UP * 40, Number(frames) / 2))
  const before = await quietState(server)
  await playHandshakes(server, Number(handshakes))
  await playStreams(server, Number(frames))
  await expectHealthy(server, before)
}

/** Checks that the server still answers after the run, and holds no more than before. */
async function expectHealthy(server, before) {
  const after = await quietState(server)
  if (after.open > 0 || after.sockets > 0 || after.handles > 0) print('connections that stay open', after)
  const growth = after.held - before.held
  console.log(
    `memory: ${(before.held / 2 ** 20).toFixed(1)} MiB after the warm-up, ${(after.held / 2 ** 20).toFixed(1)} MiB at the end`
  )
  if (growth > MAX_GROWTH) print(`the server holds ${(growth / 2 ** 20).toFixed(1)} MiB more than after the warm-up`)
}

async function replay(server) {
  for (const [index, name] of values.only.entries()) {
    const [kind, seed] = name.split(':')
    await play(server, kind, Number(seed), index)
  }
}

function summary() {
  const table = (counts) =>
    [...counts]
      .toSorted(([, a], [, b]) => b - a)
      .map(([name, count]) => `  ${name}: ${count}\n`)
      .join('')
  const findings = state.findings === 0 ? 'no findings' : `${state.findings} findings\n${table(state.problems)}`
  return `${state.frames} frames in ${state.streams} streams, ${state.handshakes} handshakes, ${elapsed()}\n${table(state.outcomes)}${findings}`
}

const server = new Server()
await server.start()
console.log(`seed ${values.seed}`)
const progress = setInterval(
  () => console.log(`${elapsed()}: ${state.frames} frames, ${state.handshakes} handshakes, ${state.findings} findings`),
  10_000
)
if (values.only.length > 0) await replay(server)
else await playAll(server)
clearInterval(progress)
await server.stop()
console.log(summary())
process.exitCode = state.findings === 0 ? 0 : 1
