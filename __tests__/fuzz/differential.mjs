// Gives the same bytes to our frame reader and to the one of ws, and compares what they read. Everything follows from a seed:
//   node __tests__/fuzz/differential.mjs [--frames 1000000] [--seed n] [--only 123]
import { parseArgs } from 'node:util'
import { compare, isRefusedInTime, messagesOf } from './comparison.mjs'
import { compressedBytes } from './compressed.mjs'
import { cutsOf, makeStream } from './frames.mjs'
import { Random, seedOf } from './random.mjs'
import { readOurs, readWithWs } from './readers.mjs'

const { values } = parseArgs({
  options: {
    frames: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 32) },
    only: { type: 'string', multiple: true, default: [] }
  }
})

/** Longer streams are not given byte by byte. */
const SHORT = 3_000
const MAX_FINDINGS = 20

const state = { frames: 0, streams: 0, findings: 0, outcomes: new Map() }
const startedAt = performance.now()

/** Three streams of four have compression negotiated or not, as they need it; the others have it without a need. */
function streamOf(seed) {
  const random = new Random(seed)
  const kind = random.pick(['plain', 'plain', 'compressed', 'needless'])
  const bytes =
    kind === 'compressed' ? compressedBytes(random, random.between(1, random.pick([5, 40]))) : makeStream(seed).bytes
  return { bytes, isCompressed: kind !== 'plain', random }
}

function pieces(bytes, cuts) {
  return [0, ...cuts].map((from, i) => bytes.subarray(from, cuts[i]))
}

/** The same stream in different chunks, by name. */
function waysOf(bytes, random) {
  const ways = { whole: [bytes], cut: pieces(bytes, cutsOf(random, bytes.length)) }
  if (bytes.length <= SHORT) ways['byte by byte'] = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))
  return ways
}

function count(outcome) {
  state.outcomes.set(outcome, (state.outcomes.get(outcome) ?? 0) + 1)
}

const describe = ({ events, end }) =>
  `${events.length} events, the last ${events.at(-1)?.kind} ${events.at(-1)?.data.toString('hex', 0, 50)}; ${JSON.stringify(end)}`

function report(problem, seed, bytes, ours, theirs) {
  state.findings++
  console.log(`FINDING: ${problem}`)
  console.log(`  ours: ${describe(ours)}\n  ws: ${describe(theirs)}`)
  console.log(`  bytes: ${bytes.toString('hex', 0, 2_000)} (${bytes.length} bytes)`)
  console.log(`  replay: node __tests__/fuzz/differential.mjs --only ${seed}`)
}

async function play(seed) {
  const { bytes, isCompressed, random } = streamOf(seed)
  const theirs = await readWithWs(bytes, isCompressed)
  for (const [way, chunks] of Object.entries(waysOf(bytes, random))) {
    const ours = await readOurs(chunks, isCompressed)
    const difference = compare(bytes, ours, theirs)
    if (difference === 'different') report(`different when given ${way}`, seed, bytes, ours, theirs)
    if (way === 'byte by byte' && !isRefusedInTime(bytes, ours))
      report('text refused at the wrong byte', seed, bytes, ours, theirs)
    count(difference ?? `agreed: ${theirs.end?.code ?? theirs.end?.kind ?? 'open'}`)
  }
  state.streams++
  state.frames += messagesOf(bytes).reduce((sum, { frames }) => sum + frames, 0)
}

function summary() {
  const outcomes = [...state.outcomes].toSorted(([, a], [, b]) => b - a)
  return [
    `${state.frames} data frames in ${state.streams} streams, ${((performance.now() - startedAt) / 1000).toFixed(1)} s`,
    ...outcomes.map(([name, times]) => `  ${name}: ${times}`),
    state.findings === 0 ? 'no findings' : `${state.findings} findings`
  ].join('\n')
}

console.log(`seed ${values.seed}`)
for (const seed of values.only) await play(Number(seed))
if (values.only.length === 0)
  for (let i = 0; state.frames < Number(values.frames) && state.findings < MAX_FINDINGS; i++)
    await play(seedOf(Number(values.seed), i))
console.log(summary())
process.exitCode = state.findings === 0 ? 0 : 1
