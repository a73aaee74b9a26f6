import { execFileSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { MODES } from './modes.mjs'

const USAGE =
  'npm run bench:storm -- [--clients 10000] [--spread 20] [--rate 20] [--mode backoff,together,spread] [--out file] [--chart file]'
/** The files that a node has open besides one for each client. */
const OTHER_FILES = 500

const pathOf = (file) => new URL(file, import.meta.url).pathname

/** The options of the command line. Throws an error that names the invalid one. */
export function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      clients: { type: 'string', default: '10000' },
      spread: { type: 'string', default: '20' },
      rate: { type: 'string', default: '20' },
      mode: { type: 'string', default: Object.keys(MODES).join(',') },
      out: { type: 'string', default: pathOf('../results/storm.json') },
      chart: { type: 'string', default: pathOf('../../docs/images/reconnect-storm.svg') }
    }
  })
  const [clients, spread, rate] = ['clients', 'spread', 'rate'].map((name) => wholeNumber(name, values[name]))
  assertEnoughFiles(clients)
  return { clients, spread, rate, modes: modesOf(values.mode), out: values.out, chart: values.chart }
}

function wholeNumber(name, value) {
  if (!/^\d+$/.test(value) || Number(value) === 0)
    throw new Error(`--${name} must be a whole number over 0, got ${value}\n${USAGE}`)
  return Number(value)
}

function modesOf(value) {
  const modes = value.split(',').filter(Boolean)
  if (modes.length > 0 && modes.every((name) => Object.hasOwn(MODES, name))) return modes
  throw new Error(`--mode must be a list of ${Object.keys(MODES).join(', ')}, got ${value}\n${USAGE}`)
}

function assertEnoughFiles(clients) {
  const limit = Number(execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' })) || Infinity
  if (clients > limit - OTHER_FILES)
    throw new Error(
      `--clients must be at most ${limit - OTHER_FILES}: a process may have ${limit} files open (ulimit -Hn)`
    )
}
