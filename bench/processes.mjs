// Starts servers and load generators, each in its own process, which ends with this one.
import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
/** How long to wait for a message of a process, in milliseconds. */
const LIMIT = 120_000

function has(program, version) {
  try {
    execFileSync(program, [version], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

const hasTaskset = has('taskset', '-V')
/** How many files and sockets a process may have open. Node.js raises the soft limit to the hard one by itself. */
export const maxOpenFiles = Number(execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' })) || Infinity
export const hasRedis = has('redis-server', '--version')

/** Starts a module, on this core if `taskset` is installed; without a core, on any. */
export function start(file, args, core, execArgv = [], env = {}) {
  const child = fork(join(here, file), args, {
    execArgv,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc']
  })
  child.errors = ''
  child.stderr.on('data', (chunk) => (child.errors += chunk))
  if (hasTaskset && core !== undefined)
    execFileSync('taskset', ['-a', '-p', '-c', String(core), String(child.pid)], { stdio: 'ignore' })
  return child
}

/** The first message of a process. If the process ends before, rejects with what it wrote to stderr. */
export async function message(child) {
  const controller = new AbortController()
  const late = setTimeout(() => controller.abort(), LIMIT)
  const ended = once(child, 'close', controller).then(() =>
    Promise.reject(new Error(child.errors || 'Error: it ended'))
  )
  try {
    const [value] = await Promise.race([once(child, 'message', controller), ended])
    return value
  } finally {
    clearTimeout(late)
    controller.abort()
  }
}
