// Draws docs/performance.svg: bars relative to one contender, with a group for each row that it and this package have.
import { COLUMNS, nameOf } from './names.mjs'

const COLORS = {
  blaze: '#0969da',
  'fastify-websocket': '#8c959f',
  ws: '#afb8c1',
  net: '#57606a',
  crossws: '#d4a72c',
  'socket.io': '#bf8700',
  redis: '#cf222e',
  uws: '#8250df'
}
const [LEFT, WIDTH, BAR] = [405, 410, 13]

const SECTIONS = [
  {
    title: 'Server CPU per message, relative to @fastify/websocket (shorter is better)',
    base: 'fastify-websocket',
    takes: ({ kind }) => ['echo', 'broadcast', 'fanout'].includes(kind),
    shows: (contender) => contender !== 'socket.io'
  },
  {
    title: 'Server CPU per handshake, relative to @fastify/websocket (shorter is better)',
    base: 'fastify-websocket',
    takes: ({ kind, isHigherBetter }) => kind === 'handshakes' && !isHigherBetter,
    shows: (contender) => contender !== 'socket.io'
  },
  {
    title: 'Two nodes over Redis: CPU per delivery and latency, relative to socket.io (shorter is better)',
    base: 'socket.io',
    takes: ({ nodes, isHigherBetter }) => nodes > 1 && !isHigherBetter,
    shows: () => true
  }
]

function barOf(contender, share, y) {
  const length = Math.max(1, Math.min(share, 1.3) * (WIDTH / 1.3))
  return [
    `<rect x="${LEFT}" y="${y}" width="${length.toFixed(1)}" height="${BAR - 3}" rx="2" fill="${COLORS[contender]}"/>`,
    `<text x="${(LEFT + length + 5).toFixed(1)}" y="${y + 9}" class="s">${share.toFixed(2)} ${nameOf(contender)}</text>`
  ]
}

/** The bars of a section that begins at `top`, and the position at which it ends. */
function sectionOf({ title, base, takes, shows }, results, top) {
  const groups = results.filter((result) => takes(result) && result.medians.blaze && result.medians[base])
  if (groups.length === 0) return { parts: [], end: top }
  const parts = [`<text x="20" y="${top + 26}" font-size="15" font-weight="600">${title}</text>`]
  let y = top + 56
  for (const { title: row, medians } of groups) {
    const bars = COLUMNS.filter((contender) => medians[contender] !== undefined && shows(contender))
    parts.push(`<text x="${LEFT - 10}" y="${y + (bars.length * BAR) / 2 + 4}" text-anchor="end">${row}</text>`)
    for (const contender of bars) {
      parts.push(...barOf(contender, medians[contender] / medians[base], y))
      y += BAR
    }
    y += 16
  }
  return { parts, end: y }
}

export function chartOf(results) {
  const parts = []
  let y = 0
  for (const section of SECTIONS) {
    const { parts: more, end } = sectionOf(section, results, y)
    parts.push(...more)
    y = end
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 ${y}" font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="Server CPU per message and per handshake relative to @fastify/websocket, and for two nodes to socket.io">
<style>text{fill:#24292f}.s{font-size:10px;fill:#57606a}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9198a1}}</style>
${parts.join('\n')}
</svg>
`
}
