import { slotOf } from '../../../../../src/brokers/redis/slot.ts'
import { type Engine, startRedisCluster } from '../../engines.ts'
import { cli } from '../cli.ts'
import type { WalkEngine } from '../engine.ts'
import { redisCuts, serverOutages } from '../faults.ts'
import { patiently } from '../patience.ts'
import { ROOMS } from '../traffic.ts'

const SLOTS = ['all', 'nodes', ...ROOMS.map((room) => `room:${room}`)].map((channel) => slotOf(`blaze:${channel}`))

/** Three masters with a replica each, whose slots move. */
export async function redisCluster(
  kind: 'ioredis-cluster' | 'node-redis-cluster',
  sharded: boolean
): Promise<WalkEngine> {
  const servers = await startRedisCluster('', { replicas: 1, settings: ['--cluster-replica-validity-factor', '0'] })
  const ports = servers.map(({ port }) => port)
  await inSync(servers)
  return {
    isOrdered: false,
    learnsLate: sharded,
    options: () => ({ kind, ports, sharded }),
    cuts: {
      ...redisCuts(servers),
      'move slots': async ({ random }) => {
        for (const slot of random.some(SLOTS, 3))
          await move(slot, servers, random.pick(await masters(servers)) as Engine)
      },
      'hand over to a replica': async ({ random }) => {
        const all = await masters(servers)
        const replica = random.pick(servers.filter((server) => !all.includes(server))) as Engine
        await cli(replica, 'CLUSTER', 'FAILOVER', ...(random.chance(0.3) ? ['TAKEOVER'] : []))
      }
    },
    outages: serverOutages(servers),
    heal: () => inSync(servers),
    close: () => Promise.all(servers.map((server) => server.close()))
  }
}

async function masters(servers: readonly Engine[]): Promise<Engine[]> {
  const roles = await Promise.all(servers.map((server) => cli(server, 'ROLE').catch(() => '')))
  return servers.filter((_, i) => roles[i]?.startsWith('master'))
}

/** Moves a slot as an operator would: tells the new owner first, then the former one. */
async function move(slot: number, servers: readonly Engine[], to: Engine): Promise<void> {
  const nodes = await cli(to, 'CLUSTER', 'NODES')
  const owner = nodes.split('\n').find((line) => hasSlot(line, slot)) ?? ''
  const from = servers.find(({ port }) => owner.includes(`127.0.0.1:${port}@`))
  if (from === undefined || from === to) return
  const [toId, fromId] = [await cli(to, 'CLUSTER', 'MYID'), await cli(from, 'CLUSTER', 'MYID')]
  const set = (server: Engine, ...state: string[]): Promise<string> =>
    cli(server, 'CLUSTER', 'SETSLOT', `${slot}`, ...state)
  await set(to, 'IMPORTING', fromId)
  await set(from, 'MIGRATING', toId)
  for (const server of [to, from]) await set(server, 'NODE', toId)
}

function hasSlot(line: string, slot: number): boolean {
  return slotsIn(line).some((range) => {
    const [first, last = first] = range.split('-').map(Number) as [number, number?]
    return slot >= first && slot <= last
  })
}

function slotsIn(line: string): string[] {
  return line
    .split(' ')
    .slice(8)
    .filter((range) => !range.startsWith('['))
}

/** Waits until all servers are up, all replicas follow, and all agree on the owner of each slot. */
function inSync(servers: readonly Engine[]): Promise<void> {
  return patiently(() => isInSync(servers), 'the cluster')
}

async function isInSync(servers: readonly Engine[]): Promise<boolean> {
  const views = await Promise.all(
    servers.map(async (server) => {
      for (const slot of SLOTS) await cli(server, 'CLUSTER', 'SETSLOT', `${slot}`, 'STABLE').catch(() => {})
      const [info, role, nodes] = [
        await cli(server, 'CLUSTER', 'INFO'),
        await cli(server, 'ROLE'),
        await cli(server, 'CLUSTER', 'NODES')
      ]
      const isWell =
        info.includes('cluster_state:ok') &&
        info.includes('cluster_slots_ok:16384') &&
        !nodes.includes('fail') &&
        (role.startsWith('master') || role.includes('connected'))
      const owners = nodes.split('\n').map((line) => `${line.split(' ')[0]} ${slotsIn(line).join()}`)
      return isWell ? owners.toSorted().join('\n') : undefined
    })
  )
  return views[0] !== undefined && new Set(views).size === 1
}
