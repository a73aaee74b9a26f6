// A random walk of three nodes over each engine: clients come, go, join, leave and send while nodes are killed and frozen, and
// the engine and its connections fail. After each storm, all nodes must agree with the clients within one lease, and new
// messages must arrive. At no time may a message reach the wrong client, arrive twice, or arrive out of order.
//
// A failure reports its seed. More and longer walks:
//
//   WALK_SECONDS=120 WALK_SEEDS=20 WALK_SEED=1 npx jest __tests__/cluster/walk.test.ts -t memory
//
// WALK_SECONDS is the length of each walk, WALK_SEEDS the number of walks on each engine, WALK_SEED the first seed. WALK_TRACE
// names a file for the steps of all walks, including those without faults.
import { ensureDist } from '../support/dist.ts'
import { describeWith, type Installed, NATS, REDIS } from './support/engines.ts'
import type { WalkEngine } from './support/walk/engine.ts'
import { memory } from './support/walk/engines/memory.ts'
import { nats, routedNats } from './support/walk/engines/nats.ts'
import { redis } from './support/walk/engines/redis.ts'
import { redisCluster } from './support/walk/engines/redis-cluster.ts'
import { sentinel } from './support/walk/engines/sentinel.ts'
import { Walk } from './support/walk/walk.ts'

const { WALK_SECONDS = '3', WALK_SEEDS = '1', WALK_SEED = '1' } = process.env
const SEEDS = Array.from({ length: Number(WALK_SEEDS) }, (_, i) => Number(WALK_SEED) + i)

jest.setTimeout(Number(WALK_SECONDS) * 1_000 + 120_000)
beforeAll(ensureDist)

const HERE: Installed = { isThere: true, hint: '' }
const engines: [name: string, needs: Installed, start: () => Promise<WalkEngine>][] = [
  ['memory', HERE, memory],
  ['Redis through ioredis', REDIS, () => redis('ioredis')],
  ['Redis through node-redis', REDIS, () => redis('node-redis')],
  ['Redis with a sentinel', REDIS, sentinel],
  ['a sharded Redis Cluster through ioredis', REDIS, () => redisCluster('ioredis-cluster', true)],
  ['a sharded Redis Cluster through node-redis', REDIS, () => redisCluster('node-redis-cluster', true)],
  ['a classic Redis Cluster through ioredis', REDIS, () => redisCluster('ioredis-cluster', false)],
  ['a classic Redis Cluster through node-redis', REDIS, () => redisCluster('node-redis-cluster', false)],
  ['NATS', NATS, nats],
  ['NATS with a route', NATS, routedNats]
]

for (const [name, needs, start] of engines) {
  describeWith(needs, `a walk over ${name}`, () => {
    test.each(SEEDS)('with the seed %d', async (seed) => {
      const engine = await start()
      try {
        await new Walk(engine, seed).run(Number(WALK_SECONDS), `WALK_SEED=${seed}, ${name}`)
      } finally {
        await engine.close()
      }
    })
  })
}
