import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { unit } from './scenarios.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const COLUMNS = ['blaze', 'fastify-websocket', 'ws', 'net', 'crossws', 'socket.io', 'uws']
const NAMES = { blaze: 'fastify-blaze-ws', 'fastify-websocket': '@fastify/websocket', net: 'raw net', uws: 'uWebSockets.js' }
const nameOf = (contender) => NAMES[contender] ?? contender

const figure = (value) => (value === undefined ? '–' : value >= 1000 ? `${(value / 1000).toFixed(1)}k` : value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2))

/** A goal compares with a peer in the same row, or with our own figure in another row. */
function ratioOf({ peer, row, min, max }, { medians }, results) {
  const ours = medians.blaze
  const theirs = row === undefined ? medians[peer] : results.find(({ id }) => id === row)?.medians.blaze
  if (ours === undefined || theirs === undefined) return ''
  const ratio = ours / theirs
  const isMet = max === undefined ? ratio >= min : ratio <= max
  const name = row === undefined ? nameOf(peer) : `"${row}"`
  return `${ratio.toFixed(3)} × ${name} (goal ${max === undefined ? `≥ ${min}` : `≤ ${max}`}${isMet ? '' : ', **not met**'})`
}

function goalsOf(result, results) {
  return [result.goal ?? []].flat().map((goal) => ratioOf(goal, result, results)).filter(Boolean).join(', ')
}

export function tableOf(results) {
  const columns = COLUMNS.filter((contender) => results.some(({ medians }) => medians[contender] !== undefined))
  const rows = results.map((result) => [
    `${result.title} (${unit[result.kind]})`,
    ...columns.map((contender) => figure(result.medians[contender])),
    goalsOf(result, results)
  ])
  const head = ['work', ...columns.map(nameOf), 'ratio']
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
}

const COLORS = { blaze: '#0969da', 'fastify-websocket': '#8c959f', ws: '#afb8c1', net: '#57606a', crossws: '#d4a72c', 'socket.io': '#bf8700', uws: '#8250df' }

/** Bars relative to @fastify/websocket, a group for each row that both have. */
function chartOf(results) {
  const groups = results.filter(({ kind, medians }) => ['echo', 'broadcast'].includes(kind) && medians.blaze && medians['fastify-websocket'])
  const [left, width, bar] = [345, 470, 13]
  const parts = []
  let y = 56
  for (const { title, medians } of groups) {
    const base = medians['fastify-websocket']
    const bars = COLUMNS.filter((contender) => medians[contender] !== undefined && contender !== 'socket.io')
    parts.push(`<text x="${left - 10}" y="${y + (bars.length * bar) / 2 + 4}" text-anchor="end">${title}</text>`)
    for (const contender of bars) {
      const share = medians[contender] / base
      const length = Math.max(1, Math.min(share, 1.3) * (width / 1.3))
      parts.push(
        `<rect x="${left}" y="${y}" width="${length.toFixed(1)}" height="${bar - 3}" rx="2" fill="${COLORS[contender]}"/>`,
        `<text x="${left + length + 5}" y="${y + 9}" class="s">${share.toFixed(2)} ${nameOf(contender)}</text>`
      )
      y += bar
    }
    y += 16
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 ${y}" font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="Server CPU per message relative to @fastify/websocket">
<style>text{fill:#24292f}.s{font-size:10px;fill:#57606a}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9198a1}}</style>
<text x="20" y="26" font-size="15" font-weight="600">Server CPU per message, relative to @fastify/websocket (shorter is better)</text>
${parts.join('\n')}
</svg>
`
}

function machine() {
  const memory = /MemTotal:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]
  return `${cpus().length} × ${cpus()[0].model.trim()}, ${Math.round(Number(memory) / 1024 / 1024)} GiB, Linux ${execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim()}, Node ${process.version}`
}

export async function writeReport({ results, skipped, rounds, isQuick, isWhole }) {
  const { dependencies } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'))
  const versions = Object.entries(dependencies).map(([name, version]) => `${name} ${version}`).join(', ')
  const table = tableOf(results)
  const notes = [...skipped].map(([contender, reason]) => `${nameOf(contender)} is left out: ${reason}`)
  process.stdout.write(`\n${table}\n\n${machine()}; ${versions}; ${rounds} round${rounds === 1 ? '' : 's'}${isQuick ? ', quick' : ''}\n${notes.join('\n')}\n`)
  const report = { date: new Date().toISOString().slice(0, 10), machine: machine(), versions: dependencies, rounds, notes, results }
  mkdirSync(join(here, 'results'), { recursive: true })
  writeFileSync(join(here, 'results', isWhole ? 'latest.json' : 'partial.json'), `${JSON.stringify(report, null, 2)}\n`)
  if (isWhole) writeFileSync(join(here, '..', 'docs', 'performance.svg'), chartOf(results))
}
