// npm run bench:jitter -- [--clients 2000] [--seconds 120] [--rate 20] [--seed 1] [--contender blaze,socket.io,broadcast]
// What arrives at clients that are cut off, frozen and delayed, while nodes are killed and restarted, and Redis too.
// It fails if a message that `publish` has stored did not arrive once and in order.
import { readOptions } from './jitter/options.mjs'
import { writeReport } from './jitter/report.mjs'
import { runContender } from './jitter/run.mjs'

const controller = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => controller.abort())

/** What `blaze` promises. */
const isPerfect = ({ delivered, expected, outOfOrder, repeated }) =>
  delivered === expected && outOfOrder === 0 && repeated === 0

async function main() {
  const { contenders, out, ...options } = readOptions(process.argv.slice(2))
  const results = {}
  for (const contender of contenders) {
    const log = (text) => process.stderr.write(`${contender}: ${text}\n`)
    results[contender] = await runContender(contender, options, controller.signal, log)
    const { delivered, expected, gaps, arrival } = results[contender]
    log(`${delivered} of ${expected} delivered, the last one ${arrival} ms after the end, ${gaps} gaps`)
  }
  writeReport(out, options, results)
  return results.blaze === undefined || isPerfect(results.blaze)
}

try {
  process.exit((await main()) ? 0 : 1)
} catch (error) {
  process.stderr.write(`jitter: ${error.message}\n`)
  // What was interrupted would still wait for its time.
  process.exit(1)
}
