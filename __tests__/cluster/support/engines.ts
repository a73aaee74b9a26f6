import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, connect as connectTo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../../support/server.ts'

/** Whether a program is installed, and a hint for when it is not. */
export interface Installed {
  isThere: boolean
  hint: string
}

export const REDIS = installed('redis-server')
export const NATS = installed('nats-server')

/** Finds out whether a program is installed, which takes a while. */
export function installed(program: string): Installed {
  const isThere = spawnSync(program, ['--version']).status === 0
  return { isThere, hint: `${program} is not installed: apt-get install ${program}` }
}

/** A group of tests that needs a program. If it is missing, the tests are skipped, and the group name says what to install. */
export function describeWith({ isThere, hint }: Installed, name: string, tests: () => void): void {
  const group = isThere ? describe : describe.skip
  group(isThere ? name : `${name} [skipped: ${hint}]`, () => tests())
}

/** Below the ports that systems give to outgoing connections. Jest's workers have different ones. */
const FIRST_PORT = 10_000 + ((Number(process.env['JEST_WORKER_ID'] ?? 1) - 1) % 4) * 5_500
const givenPorts = new Set<number>()

/** A port on which no program listens. It is given once: a server that is about to start may not listen yet. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * 5_500)
    if (givenPorts.has(port)) continue
    givenPorts.add(port)
    const server = createServer().listen(port, '127.0.0.1')
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false
    )
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
}

/** A server in a process of its own, which can be killed, stopped and started again on the same port. */
export class Engine {
  readonly port: number
  readonly #program: string
  readonly #args: string[]
  readonly #folder = mkdtempSync(join(tmpdir(), 'engine-'))
  #process: ChildProcess | undefined

  constructor(program: string, port: number, args: (port: number, folder: string) => string[]) {
    this.port = port
    this.#program = program
    this.#args = args(port, this.#folder)
  }

  static async redis(...more: string[]): Promise<Engine> {
    const engine = new Engine('redis-server', await freePort(), (port, folder) => [
      '--port',
      `${port}`,
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--dir',
      folder,
      ...more
    ])
    await engine.start()
    return engine
  }

  /** Starts a sentinel of `master`. */
  static async sentinel(master: Engine, ...settings: string[]): Promise<Engine> {
    const engine = new Engine('redis-server', await freePort(), (port, folder) => [
      `${folder}/sentinel.conf`,
      '--sentinel',
      '--port',
      `${port}`
    ])
    engine.write('sentinel.conf', ['dir .', `sentinel monitor main 127.0.0.1 ${master.port} 1`, ...settings].join('\n'))
    await engine.start()
    return engine
  }

  /** @param config the text of a configuration file; `reconfigure` replaces it. */
  static async nats(config = ''): Promise<Engine> {
    const engine = new Engine('nats-server', await freePort(), (port, folder) => [
      '-a',
      '127.0.0.1',
      '-p',
      `${port}`,
      '-c',
      `${folder}/nats.conf`
    ])
    engine.write('nats.conf', config)
    await engine.start()
    return engine
  }

  /** Starts a Prometheus that scrapes /metrics of a local server very often. */
  static async prometheus(target: number): Promise<Engine> {
    const engine = new Engine('prometheus', await freePort(), (port, folder) => [
      `--config.file=${folder}/prometheus.yml`,
      `--storage.tsdb.path=${folder}/data`,
      `--web.listen-address=127.0.0.1:${port}`
    ])
    const settings = 'scrape_interval: 200ms, scrape_timeout: 200ms'
    const targets = `static_configs: [{ targets: ['127.0.0.1:${target}'] }]`
    engine.write('prometheus.yml', `scrape_configs: [{ job_name: chat, ${settings}, ${targets} }]`)
    await engine.start()
    return engine
  }

  write(file: string, text: string): void {
    writeFileSync(join(this.#folder, file), text)
  }

  /** Has a NATS server read another configuration. */
  reconfigure(config: string): void {
    this.write('nats.conf', config)
    this.#process?.kill('SIGHUP')
  }

  async start(): Promise<void> {
    this.#process = spawn(this.#program, this.#args, { stdio: 'ignore' })
    while (!(await this.#answers())) {
      if (this.#process.exitCode !== null)
        throw new Error(`${this.#program} ended with ${this.#process.exitCode}: ${this.#args.join(' ')}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  /** `SIGKILL` ends it as a power failure would; `SIGSTOP` freezes it, and `SIGCONT` resumes it. */
  async signal(signal: NodeJS.Signals): Promise<void> {
    const running = this.#process
    if (running === undefined) return
    running.kill(signal)
    if (signal === 'SIGSTOP' || signal === 'SIGCONT') return
    await once(running, 'exit')
    this.#process = undefined
  }

  async close(): Promise<void> {
    await this.signal('SIGKILL')
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #answers(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connectTo(this.port, '127.0.0.1')
      socket.once('connect', () => {
        socket.destroy()
        resolve(true)
      })
      socket.once('error', () => resolve(false))
    })
  }
}

/** Sends a command to a Redis server, and gives its answer. */
export function redisCli({ port }: Engine, password: string, ...command: string[]): string {
  return execFileSync(
    'redis-cli',
    ['-p', `${port}`, ...(password === '' ? [] : ['-a', password, '--no-auth-warning']), ...command],
    { encoding: 'utf8' }
  )
}

/** A Redis Cluster of three masters, each with the given number of replicas, ready for use. */
export async function startRedisCluster(
  password: string,
  { replicas = 0, settings = [] as string[] } = {}
): Promise<Engine[]> {
  const started = await Promise.allSettled(
    Array.from({ length: 3 * (1 + replicas) }, async () => {
      const bus = `${await freePort()}`
      const cluster = [
        '--cluster-enabled',
        'yes',
        '--cluster-node-timeout',
        '2000',
        '--repl-diskless-sync-delay',
        '0',
        '--cluster-port',
        bus
      ]
      return Engine.redis('--requirepass', password, '--masterauth', password, ...cluster, ...settings)
    })
  )
  const nodes = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const failed = started.find((one) => one.status === 'rejected')
  if (failed !== undefined) {
    // An engine that keeps running would keep the tests from ending.
    await Promise.all(nodes.map((node) => node.close()))
    throw failed.reason
  }
  const [first] = nodes as [Engine]
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`)
  redisCli(first, password, '--cluster', 'create', ...addresses, '--cluster-yes', '--cluster-replicas', `${replicas}`)
  await clusterIsReady(nodes, password)
  return nodes
}

/** Waits until all nodes of a cluster report that it is available. */
export async function clusterIsReady(nodes: readonly Engine[], password: string): Promise<void> {
  const isReady = (node: Engine): boolean => redisCli(node, password, 'cluster', 'info').includes('cluster_state:ok')
  await eventually(() => nodes.every(isReady), 'the cluster')
}
