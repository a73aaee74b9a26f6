import { Engine } from '../../engines.ts'
import { cli } from '../cli.ts'
import type { WalkEngine } from '../engine.ts'
import { killing, redisCuts, serverOutages } from '../faults.ts'
import { patiently } from '../patience.ts'

/** A Redis server with a replica, and a sentinel that swaps them. */
export async function sentinel(): Promise<WalkEngine> {
  const master = await Engine.redis('--repl-diskless-sync-delay', '0')
  const replica = await Engine.redis('--repl-diskless-sync-delay', '0', '--replicaof', '127.0.0.1', `${master.port}`)
  const servers = [master, replica]
  const watch = await Engine.sentinel(
    master,
    'sentinel down-after-milliseconds main 500',
    'sentinel failover-timeout main 2000'
  )
  const pair = new Pair(servers, watch)
  await pair.inSync()
  return {
    isOrdered: false,
    options: () => ({ kind: 'sentinel', sentinels: [watch.port] }),
    cuts: {
      ...redisCuts(servers),
      'hand over to the replica': async () => void (await cli(watch, 'SENTINEL', 'FAILOVER', 'main'))
    },
    // A sentinel that was frozen does nothing for half a minute, so it is only killed.
    outages: { ...serverOutages(servers), 'kill the sentinel': killing([watch]) },
    heal: () => pair.inSync(),
    close: () => Promise.all([...servers, watch].map((engine) => engine.close()))
  }
}

class Pair {
  readonly #servers: Engine[]
  readonly #watch: Engine

  constructor(servers: Engine[], watch: Engine) {
    this.#servers = servers
    this.#watch = watch
  }

  /** Waits until the sentinel has a master, and the other server follows it. */
  async inSync(): Promise<void> {
    await patiently(() => this.#isInSync(), 'the replica')
  }

  async #isInSync(): Promise<boolean> {
    const flags = (await cli(this.#watch, 'SENTINEL', 'MASTER', 'main')).split('\n')
    const [, port] = (await cli(this.#watch, 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'main')).split('\n')
    const [master, other] = this.#servers.toSorted((a) => (`${a.port}` === port ? -1 : 1)) as [Engine, Engine]
    if (flags[flags.indexOf('flags') + 1] !== 'master' || !(await cli(master, 'ROLE')).startsWith('master'))
      return false
    const [role, , following, state] = (await cli(other, 'ROLE')).split('\n')
    if (role === 'slave' && following === port && state === 'connected') return true
    // The sentinel would do so by itself half a minute later, and end the connections, too.
    await cli(other, 'REPLICAOF', '127.0.0.1', `${port}`)
    for (const type of ['normal', 'pubsub']) await cli(other, 'CLIENT', 'KILL', 'TYPE', type)
    return false
  }
}
