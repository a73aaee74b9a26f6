import { Engine, freePort } from '../../engines.ts'
import { Proxy } from '../../proxy.ts'
import type { WalkEngine } from '../engine.ts'
import { proxyCuts, serverOutages } from '../faults.ts'
import { patiently } from '../patience.ts'

/** One NATS server; each node reaches it through a proxy of its own. */
export async function nats(): Promise<WalkEngine> {
  const engine = await Engine.nats()
  const proxies = await Promise.all([0, 1, 2].map(() => Proxy.start(engine.port)))
  return {
    isOrdered: true,
    options: (place) => ({ kind: 'nats', port: proxies[place]?.port }),
    cuts: proxyCuts(proxies),
    outages: serverOutages([engine]),
    heal: async () => {},
    close: async () => {
      for (const proxy of proxies) proxy.close()
      await engine.close()
    }
  }
}

/** Two NATS servers with a route between them, and nodes at both. */
export async function routedNats(): Promise<WalkEngine> {
  const [first, second, ...more] = (await Promise.all(Array.from({ length: 6 }, () => freePort()))) as [
    number,
    number,
    number,
    number,
    number,
    number
  ]
  const [route, otherRoute, ...monitors] = more
  const proxy = await Proxy.start(route)
  const server = (port: number, monitor: number | undefined, cluster: number, ...settings: string[]): Engine =>
    new Engine('nats-server', port, () => [
      '-a',
      '127.0.0.1',
      '-p',
      `${port}`,
      '-m',
      `${monitor}`,
      '--cluster_name',
      'walk',
      '--cluster',
      `nats://127.0.0.1:${cluster}`,
      ...settings
    ])
  const servers = [
    server(first, monitors[0], route),
    server(second, monitors[1], otherRoute, '--routes', `nats://127.0.0.1:${proxy.port}`)
  ]
  for (const one of servers) await one.start()
  const routes = async (monitor: number): Promise<number> =>
    ((await (await fetch(`http://127.0.0.1:${monitor}/routez`)).json()) as { num_routes: number }).num_routes
  const hasRoute = async (): Promise<boolean> =>
    (await Promise.all(monitors.map((monitor) => routes(monitor)))).every((count) => count > 0)
  const heal = (): Promise<void> => patiently(hasRoute, 'the route')
  await heal()
  return {
    isOrdered: false,
    options: (place) => ({ kind: 'nats', port: place === 2 ? second : first }),
    cuts: { 'cut the route': () => proxy.cut(), ...proxyCuts([proxy]) },
    outages: serverOutages(servers),
    heal,
    close: async () => {
      proxy.close()
      await Promise.all(servers.map((one) => one.close()))
    }
  }
}
