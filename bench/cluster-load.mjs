// The load generator for several servers that work as one, over Redis or without it. `others` are processes whose CPU counts as well.
import { Redis } from 'ioredis'
import { ages, counter, openAll, openControl, quantile, serverFrame, stamped, wait, wrapped } from './wire.mjs'

const [, , argument] = process.argv
const { nodes, others = [], redis, scenario, wire } = JSON.parse(argument)
process.on('disconnect', () => process.exit())

const PATIENCE = 10_000
const engine = redis && new Redis(redis, '127.0.0.1')
const commands = nodes.map(({ control }) => openControl(control))
const helpers = others.map(({ control }) => openControl(control))

/** Opens the same number of connections to each node. Resolves when all are in the room, and the nodes know each other. */
async function openOnAll(count, onData) {
  await Promise.all(nodes.map(({ port }, i) => openAll(port, wire, count, (socket, chunk) => onData(socket, chunk, i))))
  const end = performance.now() + PATIENCE
  for (const { ask } of commands) {
    while ((await ask({ command: 'size' })).size < count) {
      if (performance.now() > end) throw new Error('Error: not all connections came into the room')
      await wait(10)
    }
  }
}

const sum = (values) => values.reduce((total, value) => total + value, 0)

async function cpuOfRedis() {
  if (!engine) return 0
  const info = await engine.info('cpu')
  const seconds = ['sys', 'user'].map((name) => Number(new RegExp(`^used_cpu_${name}:([\\d.]+)`, 'm').exec(info)[1]))
  return sum(seconds) * 1_000_000
}

/** The CPU time so far in microseconds: of all servers together, and of Redis. */
async function cpu() {
  const [ofRedis, ...servers] = await Promise.all([
    cpuOfRedis(),
    ...[...commands, ...helpers].map(({ ask }) => ask({ command: 'cpu' }))
  ])
  return { servers: sum(servers.map((server) => server.cpu)), redis: ofRedis }
}

const kinds = {
  /** The first node broadcasts, and again as soon as the clients of both nodes have all messages. */
  async 'cluster-broadcast'() {
    const payload = 'x'.repeat(scenario.size)
    const { connections, burst } = scenario
    const perTrigger = connections * burst
    let next = 0
    const trigger = () => {
      next += perTrigger
      commands[0].tell({ command: 'broadcast', payload, count: burst })
    }
    const { state, onData } = counter(serverFrame(wrapped(wire, payload)))
    await openOnAll(connections / nodes.length, (socket, chunk) => {
      onData(socket, chunk)
      if (state.frames >= next) trigger()
    })
    trigger()
    await wait(scenario.warmup)
    const [before, framesBefore, from] = [await cpu(), state.frames, performance.now()]
    await wait(scenario.duration)
    const [after, frames, to] = [await cpu(), state.frames, performance.now()]
    const messages = frames - framesBefore
    if (messages === 0) throw new Error('Error: nothing was delivered')
    return {
      value: (after.servers - before.servers) / messages,
      redis: ((after.redis - before.redis) * 1000) / messages,
      perSecond: messages / ((to - from) / 1000),
      messages
    }
  },

  /** The same, for the rate of deliveries. The CPU time is that of everything between the clients, Redis included. */
  async workers() {
    const { value, redis: ofRedis, perSecond, messages } = await kinds['cluster-broadcast']()
    return { value: perSecond, cpu: value + ofRedis / 1000, messages }
  },

  /** The first node broadcasts timestamps at a fixed rate. A client of the second node measures their age. */
  async 'cluster-latency'() {
    const { rate, size, warmup, duration } = scenario
    const latencies = []
    const onData = ages(wire.isRedis ? Buffer.from(stamped(size)) : serverFrame(wrapped(wire, stamped(size))), (age) =>
      latencies.push(age)
    )
    if (wire.isRedis) {
      const subscriber = new Redis(redis, '127.0.0.1')
      subscriber.on('messageBuffer', (channel, message) => onData({}, message))
      await subscriber.subscribe('room')
    } else {
      await openOnAll(1, (socket, chunk, node) => node === 1 && onData(socket, chunk))
    }
    const { sent } = await commands[0].ask({ command: 'paced', rate, size, duration: warmup + duration })
    const end = performance.now() + PATIENCE
    while (latencies.length < sent && performance.now() < end) await wait(10)
    if (latencies.length !== sent) throw new Error(`Error: ${latencies.length} of ${sent} messages came`)
    const sorted = latencies.slice(Math.round((rate * warmup) / 1000)).toSorted((a, b) => a - b)
    return { value: quantile(sorted, 0.5), p99: quantile(sorted, 0.99), messages: sorted.length }
  }
}

process.send(await kinds[scenario.kind]())
process.exit()
