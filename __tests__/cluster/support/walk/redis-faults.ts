import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Engine } from '../engines.ts'
import type { WalkEngine } from './engine.ts'

const run = promisify(execFile)

/** Sends a command to a Redis server, which has two seconds for its answer. */
export async function cli({ port }: Engine, ...command: string[]): Promise<string> {
  const { stdout } = await run('redis-cli', ['-p', `${port}`, ...command], { timeout: 2_000, killSignal: 'SIGKILL' })
  return stdout.trim()
}

/** What can happen to connections to Redis servers. */
export function redisCuts(servers: () => Engine[]): WalkEngine['cuts'] {
  const kill = (type: string): WalkEngine['cuts'][string] => async ({ random }) => {
    for (const server of random.chance(0.5) ? servers() : random.some(servers(), 1)) await cli(server, 'CLIENT', 'KILL', 'TYPE', type)
  }
  return { 'kill subscribers': kill('pubsub'), 'kill publishers': kill('normal') }
}

/** What can happen to the processes of servers: one is killed and started again, or held up. */
export function outagesOf(servers: () => Engine[]): WalkEngine['outages'] {
  return {
    'kill a server': async ({ random }) => {
      const server = random.pick(servers())
      await server?.signal('SIGKILL')
      return () => server?.start()
    },
    'freeze a server': async ({ random }) => {
      const server = random.pick(servers())
      await server?.signal('SIGSTOP')
      return () => server?.signal('SIGCONT')
    }
  }
}
