import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { machine, versions } from '../jitter/report.mjs'
import { chartOf } from './chart.mjs'

const SECOND = 1_000
const seconds = (milliseconds) => `${(milliseconds / SECOND).toFixed(1)} s`
const worst = (deploys, valueOf) => Math.max(...deploys.map(valueOf))

const ROWS = [
  ['peak handshakes per second of a node', ({ deploys }) => worst(deploys, ({ peak }) => peak)],
  ['event-loop delay of that node, p99', ({ deploys }) => `${worst(deploys, ({ delay }) => delay.p99)} ms`],
  ['the same, longest', ({ deploys }) => `${worst(deploys, ({ delay }) => delay.max)} ms`],
  ['a client is away (p50)', ({ deploys }) => seconds(worst(deploys, ({ away }) => away.p50 ?? 0))],
  ['the same (p99)', ({ deploys }) => seconds(worst(deploys, ({ away }) => away.p99 ?? 0))],
  ['all are back after', ({ deploys }) => seconds(worst(deploys, ({ back }) => back))],
  ['messages published', ({ published }) => published],
  ['messages missing', ({ missing }) => missing],
  ['messages that came twice', ({ repeated }) => repeated],
  ["'gap' events", ({ gaps }) => gaps],
  ['clients that gave up', ({ gaveUp }) => gaveUp]
]

export function tableOf(results) {
  const modes = Object.keys(results)
  const rows = ROWS.map(([title, cell]) => [title].concat(modes.map((mode) => cell(results[mode]))))
  const head = ['', ...modes]
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
}

function write(file, text) {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

export function writeReport({ out, chart }, options, results) {
  const { fastify, ioredis, ws, redis } = versions()
  const report = {
    date: new Date().toISOString().slice(0, 10),
    machine: machine(),
    versions: { fastify, ioredis, ws, redis },
    ...options
  }
  write(out, `${JSON.stringify({ ...report, results }, null, 2)}\n`)
  write(chart, chartOf(options, results))
  process.stdout.write(`\n${tableOf(results)}\n\n${report.machine}\n`)
}
