// One measurement of one contender: its servers on one core, the generator (and Redis) on the other.
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { message, start } from './processes.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const [SERVER_CORE, LOAD_CORE] = [0, 1]
/** Where the processes of a scenario run: each on any core if it measures what several cores can do. */
const coreOf = (core, { isSpread }) => (isSpread ? undefined : core)

const folderOf = ({ nodes = 1, folder }) => folder ?? (nodes > 1 ? 'cluster' : undefined)
const nameIn = (contender, scenario) => [folderOf(scenario), contender].filter(Boolean).join('/')

/** True if a contender supports what a scenario measures. */
export function takesPart(contender, scenario) {
  if (scenario.without?.includes(contender) || (scenario.only && !scenario.only.includes(contender))) return false
  return existsSync(join(here, 'contenders', `${nameIn(contender, scenario)}.mjs`))
}

/** Only this package depends on `bufferutil`. The peers run as they install by default, which is without it. */
const envOf = (contender) => (contender.startsWith('blaze') ? {} : { WS_NO_BUFFER_UTIL: '1' })

function startServer(contender, scenario, options, file = 'server.mjs') {
  return start(
    file,
    [nameIn(contender, scenario), JSON.stringify(options)],
    coreOf(SERVER_CORE, scenario),
    ['--expose-gc'],
    envOf(contender)
  )
}

async function runLoad(file, argument) {
  const load = start(file, [JSON.stringify(argument)], coreOf(LOAD_CORE, argument.scenario))
  const ended = once(load, 'exit')
  try {
    const result = await message(load)
    await ended
    return result
  } finally {
    load.kill('SIGKILL')
  }
}

function optionsOf({ rooms, connections, pingInterval, hasPreHandler, inFlight }, deflate) {
  return { deflate, rooms: rooms && { ...rooms, connections }, pingInterval, hasPreHandler, inFlight }
}

async function runSingle(contender, scenario, wire) {
  // A list names the contenders that negotiate compression, with their usual threshold. With true, all compress every message.
  const deflate = Array.isArray(scenario.deflate)
    ? scenario.deflate.includes(contender) && 'usual'
    : (scenario.deflate ?? false)
  const server = startServer(contender, scenario, optionsOf(scenario, deflate))
  try {
    const { port, control } = await message(server)
    return await runLoad('load.mjs', {
      port,
      control,
      scenario: { ...scenario, deflate },
      wire: { ...wire, isRaw: contender === 'net' }
    })
  } finally {
    server.kill('SIGKILL')
  }
}

async function runCluster(contender, scenario, wire) {
  const redis = start('redis.mjs', [], coreOf(LOAD_CORE, scenario))
  const servers = []
  try {
    const { port } = await message(redis)
    for (let i = 0; i < scenario.nodes; i++) servers.push(startServer(contender, scenario, { redis: port }))
    const nodes = await Promise.all(servers.map(message))
    return await runLoad('cluster-load.mjs', { nodes, redis: port, scenario, wire })
  } finally {
    for (const server of servers) server.kill('SIGKILL')
    // redis.mjs then ends Redis and itself.
    if (redis.connected) redis.disconnect()
  }
}

/** The nodes are workers of one primary, whose CPU counts as well. */
async function runWorkers(contender, scenario, wire) {
  const primary = startServer(contender, scenario, { workers: scenario.nodes }, 'workers.mjs')
  try {
    const { nodes, control } = await message(primary)
    return await runLoad('cluster-load.mjs', { nodes, others: [{ control }], scenario, wire })
  } finally {
    // Its workers end with it.
    primary.kill('SIGKILL')
  }
}

/** One node, measured as several are. */
async function runOneNode(contender, scenario, wire) {
  const server = startServer(contender, scenario, {})
  try {
    return await runLoad('cluster-load.mjs', { nodes: [await message(server)], scenario, wire })
  } finally {
    server.kill('SIGKILL')
  }
}

const RUNS = { single: runSingle, cluster: runCluster, workers: runWorkers, 'one node': runOneNode }

/** The measurement of the generator: `value`, and more for some kinds. */
export async function runOne(contender, scenario) {
  const usual = scenario.nodes > 1 ? 'cluster' : 'single'
  const { wire = {}, exchanges, run = usual } = await import(`./contenders/${nameIn(contender, scenario)}.mjs`)
  const exchange = exchanges?.[scenario.exchange]?.(scenario.inFlight)
  return RUNS[run](contender, scenario, { ...wire, wrap: wire.wrap?.('%'), exchange })
}
