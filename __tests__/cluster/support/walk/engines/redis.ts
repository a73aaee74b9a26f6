import { Engine } from '../../engines.ts'
import { Proxy } from '../../proxy.ts'
import type { WalkEngine } from '../engine.ts'
import { proxyCuts, redisCuts, serverOutages } from '../faults.ts'

/** One Redis server; each node reaches it through a proxy of its own. */
export async function redis(kind: 'ioredis' | 'node-redis'): Promise<WalkEngine> {
  const engine = await Engine.redis()
  const proxies = await Promise.all([0, 1, 2].map(() => Proxy.start(engine.port)))
  return {
    isOrdered: true,
    options: (place) => ({ kind, port: proxies[place]?.port }),
    cuts: { ...proxyCuts(proxies), ...redisCuts([engine]) },
    outages: serverOutages([engine]),
    heal: async () => {},
    close: async () => {
      for (const proxy of proxies) proxy.close()
      await engine.close()
    }
  }
}
