import { execFileSync } from 'node:child_process'
import { parseArgs } from 'node:util'

const USAGE =
  'npm run bench:jitter -- [--clients 2000] [--seconds 120] [--rate 20] [--seed 1] [--contender blaze,socket.io,broadcast] [--out file]'
export const CONTENDERS = ['blaze', 'socket.io', 'broadcast']
/** The files that the proxy has open besides two for each client, with some reserve for connections that are closing. */
const OTHER_FILES = 2_000

/** The options of the command line. Throws an error that names the invalid one. */
export function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      clients: { type: 'string', default: '2000' },
      seconds: { type: 'string', default: '120' },
      rate: { type: 'string', default: '20' },
      seed: { type: 'string', default: '1' },
      contender: { type: 'string', default: CONTENDERS.join(',') },
      out: { type: 'string', default: new URL('../results/jitter.json', import.meta.url).pathname }
    }
  })
  const [clients, seconds, rate, seed] = ['clients', 'seconds', 'rate', 'seed'].map((name) =>
    wholeNumber(name, values[name])
  )
  assertEnoughFiles(clients)
  return { clients, seconds, rate, seed, contenders: contendersOf(values.contender), out: values.out }
}

function wholeNumber(name, value) {
  if (!/^\d+$/.test(value) || Number(value) === 0)
    throw new Error(`--${name} must be a whole number over 0, got ${value}\n${USAGE}`)
  return Number(value)
}

function contendersOf(value) {
  const contenders = value.split(',').filter(Boolean)
  const unknown = contenders.find((name) => !CONTENDERS.includes(name))
  if (unknown === undefined && contenders.length > 0) return contenders
  throw new Error(`--contender must be a list of ${CONTENDERS.join(', ')}, got ${value}\n${USAGE}`)
}

function assertEnoughFiles(clients) {
  const limit = Number(execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' })) || Infinity
  const most = Math.floor((limit - OTHER_FILES) / 2)
  if (clients > most)
    throw new Error(`--clients must be at most ${most}: a process may have ${limit} files open (ulimit -Hn)`)
}
