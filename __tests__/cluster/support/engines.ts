import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, connect as connectTo, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../../support/server.ts'

/** Whether a program is there, and what to do where it is not. */
export interface Installed {
  isThere: boolean
  hint: string
}

export const REDIS = installed('redis-server')
export const NATS = installed('nats-server')

function installed(program: string): Installed {
  const isThere = spawnSync(program, ['--version']).status === 0
  return { isThere, hint: `${program} is not installed: apt-get install ${program}` }
}

/** A group of tests that needs a program; where it is missing, they are skipped, and their group says what to install. */
export function describeWith({ isThere, hint }: Installed, name: string, tests: () => void): void {
  const group = isThere ? describe : describe.skip
  group(isThere ? name : `${name} [skipped: ${hint}]`, () => tests())
}

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
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
    const engine = new Engine('redis-server', await freePort(), (port, folder) => ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--dir', folder, ...more])
    await engine.start()
    return engine
  }

  static async nats(): Promise<Engine> {
    const engine = new Engine('nats-server', await freePort(), (port) => ['-a', '127.0.0.1', '-p', `${port}`])
    await engine.start()
    return engine
  }

  async start(): Promise<void> {
    this.#process = spawn(this.#program, this.#args, { stdio: 'ignore' })
    while (!(await this.#answers())) await new Promise((resolve) => setTimeout(resolve, 20))
  }

  /** `SIGKILL` ends it as a power failure would; `SIGSTOP` and `SIGCONT` hold it up. */
  async signal(signal: NodeJS.Signals): Promise<void> {
    const running = this.#process
    if (running === undefined) return
    const exited = once(running, 'exit')
    running.kill(signal)
    if (signal === 'SIGSTOP' || signal === 'SIGCONT') return
    await exited
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

/** A Redis Cluster of three masters, ready to be used. */
export async function startRedisCluster(password: string): Promise<Engine[]> {
  const nodes = await Promise.all(
    [1, 2, 3].map(async () => {
      const bus = `${await freePort()}`
      return Engine.redis('--requirepass', password, '--masterauth', password, '--cluster-enabled', 'yes', '--cluster-node-timeout', '2000', '--cluster-port', bus)
    })
  )
  const cli = (...args: string[]): string => execFileSync('redis-cli', ['-a', password, '--no-auth-warning', ...args], { encoding: 'utf8' })
  cli('--cluster', 'create', ...nodes.map(({ port }) => `127.0.0.1:${port}`), '--cluster-yes')
  const isReady = ({ port }: Engine): boolean => cli('-p', `${port}`, 'cluster', 'info').includes('cluster_state:ok')
  await eventually(() => nodes.every(isReady), 'the cluster')
  return nodes
}
