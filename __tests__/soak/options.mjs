import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const root = join(import.meta.dirname, '..', '..')
const USAGE =
  'node __tests__/soak/run.mjs [--seconds 600] [--connections 5000] [--seed n] [--svg bench/results/soak.svg]'
const SABOTAGES = ['lose', 'twice', 'leak']
/** The files that a process has open besides its connections, with some reserve. */
const OTHER_FILES = 200

/** The options of the command line; throws a descriptive error if they are invalid. */
export function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      seconds: { type: 'string', default: '600' },
      connections: { type: 'string', default: '5000' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      svg: { type: 'string', default: join(root, 'bench', 'results', 'soak.svg') },
      // To prove that the checks work: the server loses or repeats messages, or leaks memory.
      sabotage: { type: 'string' }
    }
  })
  const [seconds, connections, seed] = ['seconds', 'connections', 'seed'].map((name) => wholeNumber(name, values[name]))
  if (values.sabotage !== undefined && !SABOTAGES.includes(values.sabotage))
    throw new Error(`--sabotage must be one of ${SABOTAGES.join(', ')}`)
  return { seconds, connections, seed, svg: values.svg, sabotage: values.sabotage }
}

function wholeNumber(name, value) {
  if (!/^\d+$/.test(value) || Number(value) === 0)
    throw new Error(`--${name} must be a whole number over 0, got ${value}\n${USAGE}`)
  return Number(value)
}

/** Throws if the operating system allows a process too few sockets. */
export function assertEnoughFiles(connections) {
  // Node raises its soft limit to the hard limit, and a shell started from here inherits that.
  const limit = execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).trim()
  const needed = connections + OTHER_FILES
  if (limit === 'unlimited' || Number(limit) >= needed) return
  throw new Error(
    `the limit of open files is too low: ${connections} connections need ${needed}, "ulimit -Hn" is ${limit}. ` +
      `Raise it (ulimit -n ${needed}, or "nofile" in /etc/security/limits.conf), or ask for fewer with --connections ${Math.max(1, Number(limit) - OTHER_FILES)}`
  )
}
