import { Engine } from '../engines.ts'
import { Proxy } from '../proxy.ts'
import type { WalkEngine } from './engine.ts'
import { outagesOf, redisCuts } from './redis-faults.ts'

/** Nodes in memory, with a network that loses and delays messages. */
export async function memory(): Promise<WalkEngine> {
  return {
    isShared: true,
    isOrdered: true,
    options: () => ({ kind: 'memory' }),
    cuts: {},
    outages: {
      'lost and late messages': ({ random, ask }) => {
        ask('weather', { loss: random.between(0, 0.5), delay: random.between(0, 100) })
        return () => ask('weather', { loss: 0, delay: 0 })
      },
      'lost messages': ({ random, ask }) => {
        ask('weather', { loss: random.between(0, 1), delay: 0 })
        return () => ask('weather', { loss: 0, delay: 0 })
      }
    },
    heal: async () => {},
    close: async () => {}
  }
}

/** One Redis server; each node reaches it through a proxy of its own. */
export async function redis(kind: 'ioredis' | 'node-redis'): Promise<WalkEngine> {
  const engine = await Engine.redis()
  const proxies = await Promise.all([0, 1, 2].map(() => Proxy.start(engine.port)))
  return {
    isOrdered: true,
    options: (place) => ({ kind, port: proxies[place]?.port }),
    cuts: { ...proxyCuts(proxies), ...redisCuts(() => [engine]) },
    outages: outagesOf(() => [engine]),
    heal: async () => {},
    close: async () => {
      for (const proxy of proxies) proxy.close()
      await engine.close()
    }
  }
}

/** What can happen between a node and its server. */
export function proxyCuts(proxies: readonly Proxy[]): WalkEngine['cuts'] {
  return {
    'cut a connection': ({ random }) => random.pick(proxies)?.cutOne((count) => Math.floor(random.next() * count)),
    'cut all connections of a node': ({ random }) => random.pick(proxies)?.cut(),
    'hold a connection up': ({ random }) => random.pick(proxies)?.holdOne((count) => Math.floor(random.next() * count)),
    'refuse a node': ({ random }) => {
      const proxy = random.pick(proxies) as Proxy
      proxy.isCut = true
      proxy.cut()
      return () => (proxy.isCut = false)
    }
  }
}
