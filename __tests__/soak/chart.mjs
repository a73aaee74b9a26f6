import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

const [LEFT, WIDTH, HEIGHT, GAP] = [80, 840, 120, 46]
const MIB = 1024 * 1024

const PANELS = [
  {
    title: 'Memory of the server (MiB)',
    lines: [
      ['rss', '#8c959f', ({ rss }) => rss / MIB],
      ['heap after a collection', '#0969da', ({ heap }) => heap / MIB]
    ]
  },
  {
    title: 'Connections',
    lines: [
      ['sockets', '#8c959f', ({ sockets }) => sockets],
      ['in the hub', '#0969da', ({ clients }) => clients]
    ]
  },
  { title: 'Event-loop delay, p99 of each second (ms)', lines: [['delay', '#bf8700', ({ delay }) => delay]] }
]

/** Reduces points to at most this many, each the highest of its share. */
function thinned(values, most = 400) {
  const share = Math.max(1, Math.ceil(values.length / most))
  return Array.from({ length: Math.ceil(values.length / share) }, (_, i) =>
    Math.max(...values.slice(i * share, (i + 1) * share))
  )
}

/** A round number that is not below a value. */
function ceiling(value) {
  const unit = 10 ** Math.floor(Math.log10(Math.max(1, value)))
  return Math.ceil(value / unit) * unit
}

function pathOf(values, top, max) {
  const points = thinned(values)
  const x = (i) => LEFT + (i / Math.max(1, points.length - 1)) * WIDTH
  const y = (value) => top + HEIGHT - (value / max) * HEIGHT
  return points.map((value, i) => `${i === 0 ? 'M' : 'L'}${x(i).toFixed(1)} ${y(value).toFixed(1)}`).join('')
}

function panelOf({ title, lines }, samples, top) {
  const max = ceiling(Math.max(1, ...lines.flatMap(([, , valueOf]) => samples.map(valueOf))))
  const legend = lines.map(
    ([name, color], i) =>
      `<text x="${LEFT + WIDTH - i * 170}" y="${top - 8}" text-anchor="end" style="fill:${color}">${name}</text>`
  )
  return [
    `<text x="${LEFT}" y="${top - 8}" font-weight="600">${title}</text>`,
    `<path d="M${LEFT} ${top}V${top + HEIGHT}H${LEFT + WIDTH}" class="a"/>`,
    `<text x="${LEFT - 8}" y="${top + 5}" text-anchor="end">${max}</text><text x="${LEFT - 8}" y="${top + HEIGHT}" text-anchor="end">0</text>`,
    ...legend,
    ...lines.map(
      ([, color, valueOf]) =>
        `<path d="${pathOf(samples.map(valueOf), top, max)}" stroke="${color}" fill="none" stroke-width="1.5"/>`
    )
  ].join('\n')
}

/** Draws memory, connections and delay over time. */
export function writeChart(file, samples, title) {
  const bottom = 40 + PANELS.length * (HEIGHT + GAP)
  const panels = PANELS.map((panel, i) => panelOf(panel, samples, 66 + i * (HEIGHT + GAP)))
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 ${bottom + 20}" font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="${title}">
<style>text{fill:#24292f}.a{stroke:#8c959f;fill:none}@media(prefers-color-scheme:dark){text{fill:#e6edf3}}</style>
<text x="20" y="26" font-size="15" font-weight="600">${title}</text>
${panels.join('\n')}
<text x="${LEFT + WIDTH}" y="${bottom}" text-anchor="end">${Math.round(samples.at(-1)?.time ?? 0)} s</text>
</svg>
`
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, svg)
}
