// Draws the handshakes per second of the node that all clients go to, a panel for each mode, all with the same scales.
import { MODES } from './modes.mjs'

const [LEFT, WIDTH, HEIGHT, GAP, TOP] = [80, 840, 110, 50, 40]
const BUCKETS_PER_SECOND = 10
const COLORS = { backoff: '#cf222e', together: '#bf8700', spread: '#0969da' }

/** A round number that is not below a value. */
function ceiling(value) {
  const unit = 10 ** Math.floor(Math.log10(Math.max(1, value)))
  return Math.ceil(value / unit) * unit
}

/** Each bucket is a step. */
function pathOf(handshakes, top, { most, buckets }) {
  const x = (bucket) => (LEFT + (bucket / buckets) * WIDTH).toFixed(1)
  const y = (count) => (top + HEIGHT - ((count * BUCKETS_PER_SECOND) / most) * HEIGHT).toFixed(1)
  const steps = handshakes.map((count, bucket) => `V${y(count)}H${x(bucket + 1)}`)
  return `M${x(0)} ${y(0)}${steps.join('')}V${y(0)}`
}

function panelOf(mode, handshakes, top, scale) {
  return [
    `<text x="${LEFT}" y="${top - 8}" font-weight="600">${mode}: ${MODES[mode].title}</text>`,
    `<path d="M${LEFT} ${top}V${top + HEIGHT}H${LEFT + WIDTH}" class="a"/>`,
    `<text x="${LEFT - 8}" y="${top + 5}" text-anchor="end">${scale.most}/s</text>`,
    `<text x="${LEFT - 8}" y="${top + HEIGHT}" text-anchor="end">0</text>`,
    `<text x="${LEFT + WIDTH}" y="${top + HEIGHT + 15}" text-anchor="end">${scale.buckets / BUCKETS_PER_SECOND} s</text>`,
    `<path d="${pathOf(handshakes, top, scale)}" fill="${COLORS[mode]}"/>`
  ]
}

export function chartOf({ clients }, results) {
  // In the second deploy all clients are on the node that closes.
  const all = Object.entries(results).map(([mode, { deploys }]) => [mode, deploys.at(-1).handshakes])
  const seconds = Math.ceil(Math.max(1, ...all.map(([, { length }]) => length)) / BUCKETS_PER_SECOND)
  const scale = {
    most: ceiling(Math.max(...all.flatMap(([, handshakes]) => handshakes)) * BUCKETS_PER_SECOND),
    buckets: seconds * BUCKETS_PER_SECOND
  }
  const parts = all.flatMap(([mode, handshakes], i) => panelOf(mode, handshakes, TOP + i * (HEIGHT + GAP), scale))
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 ${TOP + all.length * (HEIGHT + GAP)}" font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="Handshakes per second after a node with ${clients} clients began to close, for each way of closing">
<style>text{fill:#24292f}.a{stroke:#8c959f;fill:none}@media(prefers-color-scheme:dark){text{fill:#e6edf3}}</style>
${parts.join('\n')}
</svg>
`
}
