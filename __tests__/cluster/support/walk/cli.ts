import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Engine } from '../engines.ts'

const run = promisify(execFile)

/** Sends a command to a Redis server, which has two seconds to answer. @throws if the answer is an error */
export async function cli({ port }: Engine, ...command: string[]): Promise<string> {
  const { stdout } = await run('redis-cli', ['-e', '-p', `${port}`, ...command], {
    timeout: 2_000,
    killSignal: 'SIGKILL'
  })
  return stdout.trim()
}
