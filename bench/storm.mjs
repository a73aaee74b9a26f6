// npm run bench:storm -- [--clients 10000] [--spread 20] [--rate 20] [--mode backoff,together,spread] [--out file] [--chart file]
// How many clients come back at once when the nodes of a deployment are replaced one after the other, and what that does to the nodes.
// It fails if a message that was published did not arrive, or arrived twice.
import { readOptions } from './storm/options.mjs'
import { writeReport } from './storm/report.mjs'
import { runMode } from './storm/run.mjs'

const controller = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => controller.abort())

const isPerfect = ({ missing, repeated, gaps, gaveUp }) => missing + repeated + gaps + gaveUp === 0

async function main() {
  const { modes, out, chart, ...options } = readOptions(process.argv.slice(2))
  const results = {}
  for (const mode of modes) {
    const log = (text) => process.stderr.write(`${mode}: ${text}\n`)
    results[mode] = await runMode(mode, options, controller.signal, log)
  }
  writeReport({ out, chart }, options, results)
  return Object.values(results).every(isPerfect)
}

try {
  process.exit((await main()) ? 0 : 1)
} catch (error) {
  process.stderr.write(`storm: ${error.message}\n`)
  // What was interrupted would still wait for its time.
  process.exit(1)
}
