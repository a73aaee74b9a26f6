// npm run bench -- [--quick] [--only id,id] [--rounds n] [--contenders name,name]
// An id also selects all rows that begin with it: `--only cluster` selects every row with more than one node.
// The servers run on one core, the generator on the other. The contenders take turns, and the medians count.
import { fileURLToPath } from 'node:url'
import { COLUMNS, nameOf } from './names.mjs'
import { hasRedis, maxOpenFiles } from './processes.mjs'
import { writeReport } from './report.mjs'
import { runOne, takesPart } from './run-one.mjs'
import { scenarios } from './scenarios.mjs'

const root = fileURLToPath(new URL('../', import.meta.url))
const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`)
  return at === -1 ? fallback : process.argv[at + 1]
}
const isQuick = process.argv.includes('--quick')
const rounds = Number(option('rounds', isQuick ? 1 : 5))
const only = option('only', '')?.split(',').filter(Boolean)
const contenders = option('contenders', COLUMNS.join(',')).split(',')
const times = isQuick ? { warmup: 200, duration: 400 } : { warmup: 1000, duration: 2000 }

const isWanted = ({ id }) => only.length === 0 || only.some((name) => id === name || id.startsWith(`${name}-`))
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
/** The contenders that cannot run on this machine at all. */
const skipped = new Set()
/** What is missing in the results. A set, because each round may find the same. */
const notes = new Set()

function note(text) {
  if (notes.has(text)) return
  notes.add(text)
  process.stderr.write(`${text}\n`)
}

/** The line of a message that tells most, without the path of this repository. */
function reasonOf({ message }) {
  const line = message.split('\n').find((text) => /Error|not found|version/.test(text)) ?? message
  return line.replaceAll(root, '')
}

function leaveOut(contender, { id }, reason) {
  if (!reason.includes('cannot be loaded')) return note(`${nameOf(contender)} is left out of ${id}: ${reason}`)
  skipped.add(contender)
  note(`${nameOf(contender)} is left out: ${reason}`)
}

/** The measurements of all contenders, which take turns in each round. */
async function measure(scenario) {
  const measured = new Map()
  for (let round = 0; round < rounds; round++) {
    for (const contender of contenders) {
      if (skipped.has(contender) || !takesPart(contender, scenario)) continue
      try {
        const result = await runOne(contender, scenario)
        measured.set(contender, [...(measured.get(contender) ?? []), result])
      } catch (error) {
        leaveOut(contender, scenario, reasonOf(error))
      }
    }
  }
  return measured
}

/** One figure of all contenders: its value in each round, and the median. */
function figuresOf(field, measured) {
  const all = [...measured].map(([contender, results]) => [contender, results.map((result) => result[field])])
  return {
    medians: Object.fromEntries(all.map(([contender, values]) => [contender, median(values)])),
    values: Object.fromEntries(all)
  }
}

/** The rows of a scenario: one for `value`, and one for each further figure, to which the goal of the first does not apply. */
function rowsOf({ more = [], ...scenario }, measured) {
  const rest = more.map(({ field, ...row }) =>
    Object.assign({}, scenario, { goal: undefined }, row, figuresOf(field, measured))
  )
  return [{ ...scenario, ...figuresOf('value', measured) }, ...rest]
}

/** True if this machine can run a scenario. If not, notes why. */
function canRun({ id, nodes, connections }) {
  const needsRedis = nodes > 1 && !hasRedis
  // Some rows open up to 1000 connections before, and each process has some files of its own.
  const needsFiles = connections + 1_100 > maxOpenFiles
  if (needsRedis)
    note('the rows of more than one node are left out: there is no redis-server (apt-get install redis-server)')
  if (needsFiles)
    note(`${id} is left out: a process may have only ${maxOpenFiles} files open (the hard limit, ulimit -Hn)`)
  return !needsRedis && !needsFiles
}

const results = []
for (const wanted of scenarios.filter(isWanted)) {
  const scenario = { ...times, ...wanted, ...(isQuick && wanted.quick) }
  if (!canRun(scenario)) continue
  const rows = rowsOf(scenario, await measure(scenario))
  results.push(...rows)
  for (const { title, medians } of rows) {
    process.stderr.write(
      `${title}: ${Object.entries(medians)
        .map(([key, value]) => `${key} ${value.toPrecision(3)}`)
        .join(', ')}\n`
    )
  }
}
await writeReport({ results, notes: [...notes], rounds, isQuick, isWhole: only.length === 0 && !isQuick })
