// npm run bench -- [--quick] [--only id,id] [--rounds n]
// Servers run one at a time on one core, the generator on the other; contenders take turns, and medians count.
import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeReport } from './report.mjs'
import { scenarios } from './scenarios.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`)
  return at === -1 ? fallback : process.argv[at + 1]
}
const isQuick = process.argv.includes('--quick')
const rounds = Number(option('rounds', isQuick ? 1 : 5))
const only = option('only', '')?.split(',').filter(Boolean)
const contenders = option('contenders', 'blaze,fastify-websocket,ws,net,crossws,socket.io,uws').split(',')

const hasTaskset = (() => {
  try {
    execFileSync('taskset', ['-V'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

/** `bufferutil` is a dependency of ours and of nobody else here: peers run as they install by default. */
const PEER_ENV = Object.fromEntries(contenders.filter((name) => name !== 'blaze').map((name) => [name, { WS_NO_BUFFER_UTIL: '1' }]))

/** Starts a module in a process of its own, on one core where the machine lets us. */
function start(file, args, core, execArgv = [], env = {}) {
  const child = fork(join(here, file), args, { execArgv, env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  child.errors = ''
  child.stderr.on('data', (chunk) => (child.errors += chunk))
  if (hasTaskset) execFileSync('taskset', ['-a', '-p', '-c', String(core), String(child.pid)], { stdio: 'ignore' })
  return child
}

async function message(child) {
  const [value] = await Promise.race([once(child, 'message'), once(child, 'exit').then(() => Promise.reject(new Error(child.errors || 'it ended')))])
  return value
}

async function runOne(contender, scenario) {
  const { wire = {} } = await import(`./contenders/${contender}.mjs`)
  // A list names those who negotiate compression, with its usual threshold; true lets all compress everything.
  const deflate = Array.isArray(scenario.deflate) ? scenario.deflate.includes(contender) && 'usual' : (scenario.deflate ?? false)
  const options = { deflate, rooms: scenario.rooms }
  const server = start('server.mjs', [contender, JSON.stringify(options)], 0, ['--expose-gc'], PEER_ENV[contender])
  try {
    const { port, control } = await message(server)
    const times = isQuick ? { warmup: 300, duration: 700 } : { warmup: 1000, duration: 2000 }
    const argument = {
      port,
      control,
      scenario: { ...times, ...scenario, ...(isQuick && scenario.quick), deflate },
      wire: { ...wire, wrap: wire.wrap?.('%'), isRaw: contender === 'net' }
    }
    const load = start('load.mjs', [JSON.stringify(argument)], 1)
    try {
      return await message(load)
    } finally {
      load.kill('SIGKILL')
    }
  } finally {
    server.kill('SIGKILL')
  }
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
const results = []
const skipped = new Map()

for (const scenario of scenarios) {
  if (only.length > 0 && !only.includes(scenario.id)) continue
  const values = new Map()
  for (let round = 0; round < rounds; round++) {
    for (const contender of contenders) {
      if (skipped.has(contender) || scenario.without?.includes(contender) || (scenario.only && !scenario.only.includes(contender))) continue
      try {
        const { value } = await runOne(contender, scenario)
        values.set(contender, [...(values.get(contender) ?? []), value])
      } catch (error) {
        const reason = error.message.split('\n').find((line) => /Error|not found|version/.test(line)) ?? error.message
        process.stderr.write(`${contender} left out of ${scenario.id}: ${reason}\n`)
        if (contender === 'uws') skipped.set(contender, reason)
      }
    }
  }
  const medians = Object.fromEntries([...values].map(([contender, all]) => [contender, median(all)]))
  results.push({ ...scenario, medians, values: Object.fromEntries(values) })
  process.stderr.write(`${scenario.title}: ${Object.entries(medians).map(([key, value]) => `${key} ${value.toPrecision(3)}`).join(', ')}\n`)
}
await writeReport({ results, skipped, rounds, isQuick, isWhole: only.length === 0 && !isQuick })
