// One measurement of one contender: its servers on one core, the generator (and Redis) on the other.
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { message, start } from './processes.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const [SERVER_CORE, LOAD_CORE] = [0, 1]

const folderOf = ({ nodes = 1, folder }) => folder ?? (nodes > 1 ? 'cluster' : undefined)
const nameIn = (contender, scenario) => [folderOf(scenario), contender].filter(Boolean).join('/')

/** True if a contender supports what a scenario measures. */
export function takesPart(contender, scenario) {
  if (scenario.without?.includes(contender) || (scenario.only && !scenario.only.includes(contender))) return false
  return existsSync(join(here, 'contenders', `${nameIn(contender, scenario)}.mjs`))
}

/** Only this package depends on `bufferutil`. The peers run as they install by default, which is without it. */
const envOf = (contender) => (contender.startsWith('blaze') ? {} : { WS_NO_BUFFER_UTIL: '1' })

function startServer(contender, scenario, options) {
  return start(
    'server.mjs',
    [nameIn(contender, scenario), JSON.stringify(options)],
    SERVER_CORE,
    ['--expose-gc'],
    envOf(contender)
  )
}

async function runLoad(file, argument) {
  const load = start(file, [JSON.stringify(argument)], LOAD_CORE)
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
  const redis = start('redis.mjs', [], LOAD_CORE)
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

/** The measurement of the generator: `value`, and more for some kinds. */
export async function runOne(contender, scenario) {
  const { wire = {}, exchanges } = await import(`./contenders/${nameIn(contender, scenario)}.mjs`)
  const exchange = exchanges?.[scenario.exchange]?.(scenario.inFlight)
  const run = scenario.nodes > 1 ? runCluster : runSingle
  return run(contender, scenario, { ...wire, wrap: wire.wrap?.('%'), exchange })
}
