// Chooses the client library by the client of the application.

import { invalidOption } from '../../internal/errors.ts'
import type { RedisLibrary } from './driver.ts'
import { IoRedisLibrary, isIoRedis } from './ioredis.ts'
import { isNodeRedis, isNodeRedisCluster, NodeRedisLibrary, whyUnusable } from './node-redis.ts'

/** A client of ioredis (5 or 6) or node-redis (5 or 6), or a cluster of either. */
export interface RedisClient {
  duplicate(...overrides: never[]): unknown
}

/**
 * The library of a client, and whether the client is a cluster.
 *
 * @param name what errors call the client.
 * @throws FST_BLAZE_WS_INVALID_OPTION if the client is not supported.
 */
export function libraryOf(client: unknown, name: string): [library: RedisLibrary, isCluster: boolean] {
  if (client !== null && typeof client === 'object') {
    if (isIoRedis(client)) return [new IoRedisLibrary(client), client.isCluster === true]
    if (isNodeRedis(client)) {
      const reason = whyUnusable(client)
      if (reason !== undefined) throw invalidOption(name, reason)
      return [new NodeRedisLibrary(client), isNodeRedisCluster(client)]
    }
  }
  throw invalidOption(name, 'must be a client or cluster of ioredis or node-redis', client)
}

/** A check for the option with the client. */
export function checkClient(value: unknown, name: string): RedisClient {
  libraryOf(value, name)
  return value as RedisClient
}
