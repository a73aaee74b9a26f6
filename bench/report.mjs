import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chartOf } from './chart.mjs'
import { COLUMNS, nameOf } from './names.mjs'
import { unit } from './scenarios.mjs'

const here = dirname(fileURLToPath(import.meta.url))

/** Formats a number with three digits; with k and M if it is large. */
function figure(value) {
  if (value === undefined) return '–'
  if (value < 0) return `−${figure(-value)}`
  if (value >= 1_000_000) return `${(value / 1_000_000).toFixed(2)}M`
  if (value >= 1000) return `${(value / 1000).toFixed(1)}k`
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2)
}

const unitOf = (result) => result.unit ?? unit[result.kind]

/** A goal and what came of it: the ratio to a peer in the same row, or to our own figure in another row. */
function outcomeOf({ peer, row, max, isDifference }, result, results) {
  const ours = result.medians.blaze
  const theirs = row === undefined ? result.medians[peer] : results.find(({ id }) => id === row)?.medians.blaze
  const name = row === undefined ? nameOf(peer) : `"${row}"`
  const goal = (verdict) => (max === undefined ? '' : ` (goal ≤ ${max}${verdict})`)
  if (ours === undefined || theirs === undefined) return `${name} not measured${goal('')}`
  if (isDifference) return `${figure(ours - theirs)} ${unitOf(result)} over ${name}`
  return `${(ours / theirs).toFixed(3)} × ${name}${goal(ours / theirs > max ? ', **not met**' : '')}`
}

function goalsOf(result, results) {
  return [result.goal ?? []]
    .flat()
    .map((goal) => outcomeOf(goal, result, results))
    .join(', ')
}

export function tableOf(results) {
  const columns = COLUMNS.filter((contender) => results.some(({ medians }) => medians[contender] !== undefined))
  const rows = results.map((result) => [
    `${result.title} (${unitOf(result)})`,
    ...columns.map((contender) => figure(result.medians[contender])),
    goalsOf(result, results)
  ])
  const head = ['work', ...columns.map(nameOf), 'ratio']
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
}

function machine() {
  const memory = /MemTotal:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]
  return `${cpus().length} × ${cpus()[0].model.trim()}, ${Math.round(Number(memory) / 1024 / 1024)} GiB, Linux ${execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim()}, Node ${process.version}`
}

/** The versions of the libraries. An optional one counts only if it took part. */
function versionsFor(results) {
  const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'))
  const hasUws = results.some(({ medians }) => medians.uws !== undefined)
  return { ...dependencies, ...(hasUws && optionalDependencies) }
}

export async function writeReport({ results, notes, rounds, isQuick, isWhole }) {
  const versions = versionsFor(results)
  const versionList = Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ')
  const table = tableOf(results)
  process.stdout.write(
    `\n${table}\n\n${machine()}; ${versionList}; ${rounds} round${rounds === 1 ? '' : 's'}${isQuick ? ', quick' : ''}\n${notes.join('\n')}\n`
  )
  const report = {
    date: new Date().toISOString().slice(0, 10),
    machine: machine(),
    versions,
    rounds,
    notes,
    results
  }
  mkdirSync(join(here, 'results'), { recursive: true })
  writeFileSync(join(here, 'results', isWhole ? 'latest.json' : 'partial.json'), `${JSON.stringify(report, null, 2)}\n`)
  writeFileSync(
    isWhole ? join(here, '..', 'docs', 'performance.svg') : join(here, 'results', 'partial.svg'),
    chartOf(results)
  )
}
