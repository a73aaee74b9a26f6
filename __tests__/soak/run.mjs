// The soak test: a server, and thousands of clients that come and go, a tenth of them hostile.
// node __tests__/soak/run.mjs [--seconds 600] [--connections 5000] [--seed n] [--svg file]
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { writeChart } from './chart.mjs'
import { assertEnoughFiles, readOptions } from './options.mjs'
import { checksOf } from './verdict.mjs'

const SHUTDOWN_TIMEOUT = 10_000
/** A process that sends no message for this long counts as dead. */
const PATIENCE = 60_000
const MIB = 1024 * 1024
const children = []

/** Starts a process of the test; `next` waits for a message from it with this key. */
function start(file, options, execArgv = []) {
  const child = fork(join(import.meta.dirname, file), [JSON.stringify(options)], { execArgv })
  children.push(child)
  const exited = once(child, 'exit').then(([code, signal]) => ({ code, signal }))
  return { child, exited, next: (key) => next(child, key) }
}

function next(child, key) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`no "${key}" from a process of the test`)), PATIENCE)
    const done = (settle, value) => {
      clearTimeout(late)
      child.off('message', onMessage)
      child.off('exit', onExit)
      settle(value)
    }
    const onMessage = (message) => key in message && done(resolve, message[key])
    const onExit = (code, signal) =>
      done(reject, new Error(`a process of the test ended with ${code ?? signal} before "${key}"`))
    child.on('message', onMessage)
    child.on('exit', onExit)
  })
}

async function startClients(port, { connections, seconds, seed, rooms }) {
  const processes = Math.max(1, Math.min(4, Math.ceil(connections / 2_500)))
  // All clients are connected after a tenth of the time, and none stays for more than a third of it.
  const shared = {
    port,
    rooms,
    ramp: Math.min(15, seconds / 10) * 1000,
    lives: [500, Math.min(40, Math.max(2, seconds / 3)) * 1000]
  }
  return Array.from({ length: processes }, (_, i) => {
    const share = Math.floor(connections / processes) + (i < connections % processes ? 1 : 0)
    return start('clients.mjs', { ...shared, connections: share, seed: seed * 31 + i })
  })
}

async function progressOf(clients) {
  return Promise.all(
    clients.map((client) => {
      const answer = client.next('progress')
      client.child.send('progress')
      return answer
    })
  )
}

function printLine(sample, progress) {
  const sum = (key) => progress.reduce((total, one) => total + one[key], 0)
  const line = [
    `${sample.time.toFixed(0).padStart(5)} s`,
    `${sample.sockets} sockets (${sample.opened} opened)`,
    `rss ${(sample.rss / MIB).toFixed(0)} MiB, heap ${(sample.heap / MIB).toFixed(1)} MiB`,
    `delay p99 ${sample.delay.toFixed(0)} ms`,
    `${sample.messagesSent} sent, ${sample.slowDisconnects} too slow`,
    `${sum('lost')} lost, ${sum('outOfOrder')} out of order, ${sum('wrongCount') + sample.faults} faults`
  ]
  process.stdout.write(`${line.join(' | ')}\n`)
}

/** Lets the test run for its time, and collects the samples. */
async function soak(server, clients, seconds) {
  const samples = []
  const from = performance.now()
  const elapsed = () => (performance.now() - from) / 1000
  for (let printed = 0; elapsed() < seconds;) {
    const sample = { ...(await server.next('sample')), time: elapsed() }
    samples.push(sample)
    if (sample.time < printed + 10) continue
    printed += 10
    printLine(sample, await progressOf(clients))
  }
  return samples
}

/** Closes the server while all clients are sending. */
async function finish(server, clients) {
  const staying = clients.map((client) => {
    const answer = client.next('staying')
    client.child.send('end')
    return answer
  })
  const count = (await Promise.all(staying)).reduce((total, one) => total + one, 0)
  const summaries = clients.map((client) => client.next('summary'))
  const closed = server.next('closed').catch(() => undefined)
  const from = performance.now()
  server.child.send('close')
  const exit = await Promise.race([
    server.exited,
    sleep(PATIENCE, { code: 'none, it still runs', signal: null }, { ref: false })
  ])
  const took = performance.now() - from
  return { staying: count, closed: await closed, exit, took, clients: await Promise.all(summaries) }
}

function printReport(options, result, checks) {
  const last = result.samples.at(-1)
  const { slowDisconnects, drops, bytesSent } = result.closed?.stats ?? {}
  const errors = result.clients
    .flatMap((client) => Object.entries(client.errors))
    .map(([message, count]) => `${count} × ${message}`)
  process.stdout.write(
    `\nsoak: ${options.connections} connections for ${options.seconds} s, seed ${options.seed}, Node ${process.version}\n` +
      `  ${last.opened} connections opened, ${(bytesSent / MIB).toFixed(0)} MiB broadcast, ${drops} messages dropped for the slow, ${slowDisconnects} of these closed\n` +
      `  peak rss ${(Math.max(...result.samples.map(({ rss }) => rss)) / MIB).toFixed(0)} MiB, ` +
      `worst p99 of a second ${Math.max(...result.samples.map(({ delay }) => delay)).toFixed(0)} ms\n` +
      (errors.length > 0 ? `  errors at honest clients: ${errors.join(', ')}\n` : '') +
      checks.map(({ name, ok, seen }) => `  ${ok ? 'ok  ' : 'FAIL'} ${name}: ${seen}\n`).join('')
  )
}

async function main() {
  const options = { ...readOptions(process.argv.slice(2)), rooms: 10, shutdownTimeout: SHUTDOWN_TIMEOUT }
  assertEnoughFiles(options.connections)
  options.rooms = Math.max(1, Math.min(50, Math.floor(options.connections / 20)))
  // A collection stops the server for a moment: a few hundred of them are enough.
  options.gcEvery = Math.max(1, Math.floor(options.seconds / 120))
  const server = start('server.mjs', options, ['--expose-gc'])
  const clients = await startClients(await server.next('port'), options)
  const samples = await soak(server, clients, options.seconds)
  const result = { samples, shutdownTimeout: SHUTDOWN_TIMEOUT, ...(await finish(server, clients)) }
  const checks = checksOf(result)
  writeChart(options.svg, samples, `Soak test: ${options.connections} connections in churn, a tenth of them hostile`)
  printReport(options, result, checks)
  return checks.every(({ ok }) => ok)
}

try {
  process.exitCode = (await main()) ? 0 : 1
} catch (error) {
  process.stderr.write(`soak: ${error.message}\n`)
  process.exitCode = 1
} finally {
  for (const child of children) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
}
