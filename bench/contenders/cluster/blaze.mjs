import { Redis } from 'ioredis'
import { redisBroker } from '../../../dist/esm/redis.js'
import { startNode } from '../workers/node.mjs'

export function start({ redis }) {
  const client = new Redis(redis, '127.0.0.1', { lazyConnect: true })
  return startNode({ broker: redisBroker({ client }) })
}
