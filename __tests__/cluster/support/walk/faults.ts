import type { Engine } from '../engines.ts'
import type { Proxy } from '../proxy.ts'
import { cli } from './cli.ts'
import type { Fault } from './engine.ts'

/** Faults between nodes and their servers. */
export function proxyCuts(proxies: readonly Proxy[]): Record<string, Fault> {
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

/** Faults of connections to Redis servers. */
export function redisCuts(servers: readonly Engine[]): Record<string, Fault> {
  const kill =
    (type: string): Fault =>
    async ({ random }) => {
      for (const server of random.chance(0.5) ? servers : random.some(servers, 1))
        await cli(server, 'CLIENT', 'KILL', 'TYPE', type)
    }
  return { 'kill subscribers': kill('pubsub'), 'kill publishers': kill('normal') }
}

/** Kills one of these servers, and starts it again. */
export function killing(servers: readonly Engine[]): Fault {
  return async ({ random }) => {
    const server = random.pick(servers)
    await server?.signal('SIGKILL')
    return () => server?.start()
  }
}

/** Faults of server processes: one is killed or frozen. */
export function serverOutages(servers: readonly Engine[]): Record<string, Fault> {
  return {
    'kill a server': killing(servers),
    'freeze a server': async ({ random }) => {
      const server = random.pick(servers)
      await server?.signal('SIGSTOP')
      return () => server?.signal('SIGCONT')
    }
  }
}
