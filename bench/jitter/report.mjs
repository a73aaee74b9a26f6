import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname } from 'node:path'

const NAMES = { blaze: 'publish', broadcast: 'broadcast', 'socket.io': 'socket.io' }
const MIB = 1024 * 1024

const times = ({ p50, p99 }) => (p50 === undefined ? '–' : `${seconds(p50)} / ${seconds(p99)}`)
const seconds = (milliseconds) => (milliseconds < 1000 ? `${milliseconds} ms` : `${(milliseconds / 1000).toFixed(1)} s`)

/** Never rounds up to 100 %. */
function percent({ delivered, expected }) {
  if (delivered === expected) return '100 %'
  return `${Math.min(99.9999, (100 * delivered) / expected).toFixed(4)} %`
}

const ROWS = [
  ['delivered', percent],
  ['messages missing', ({ delivered, expected }) => expected - delivered],
  ['out of order', ({ outOfOrder }) => outOfOrder],
  ['more than once', ({ repeated }) => repeated],
  ["'gap' events", ({ gaps }) => gaps],
  ['from publish to delivery, connected (p50 / p99)', ({ connected }) => times(connected)],
  ['the same, if the client was away in between', ({ away }) => times(away)],
  ['the last message after the end', ({ arrival }) => seconds(arrival)],
  ['clients that gave up', ({ hasGivenUp }) => hasGivenUp],
  ['reconnects', ({ reconnects }) => reconnects],
  ['publishes repeated', ({ repeatedPublishes }) => repeatedPublishes],
  ['peak memory of a node', ({ rss }) => `${Math.round(rss / MIB)} MiB`]
]

export function tableOf(results) {
  const contenders = Object.keys(results)
  const rows = ROWS.map(([title, cell]) => [title].concat(contenders.map((name) => cell(results[name]))))
  const head = ['', ...contenders.map((name) => NAMES[name])]
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
}

export function machine() {
  const { model } = cpus()[0]
  return `${cpus().length} × ${model.trim()}, Linux ${execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim()}, Node ${process.version}`
}

export function versions() {
  const { dependencies, devDependencies } = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  )
  const all = { ...dependencies, ...devDependencies }
  const redis = execFileSync('redis-server', ['--version'], { encoding: 'utf8' }).match(/v=(\S+)/)?.[1]
  const used = ['fastify', 'ioredis', 'ws', 'socket.io', '@socket.io/redis-streams-adapter']
  return { ...Object.fromEntries(used.map((name) => [name, all[name]])), redis }
}

export function writeReport(out, options, results) {
  const report = { date: new Date().toISOString().slice(0, 10), machine: machine(), versions: versions(), ...options }
  mkdirSync(dirname(out), { recursive: true })
  writeFileSync(out, `${JSON.stringify({ ...report, results }, null, 2)}\n`)
  process.stdout.write(`\n${tableOf(results)}\n\n${report.machine}\n`)
}
