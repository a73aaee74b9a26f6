// The load generator for a single server.
import { once } from 'node:events'
import {
  anyFrames,
  compressedFrame,
  counter,
  maskedFrame,
  openAll as openAllTo,
  openControl,
  quantile,
  serverFrame,
  wait,
  wrapped
} from './wire.mjs'

const [, , argument] = process.argv
const { port, control, scenario, wire } = JSON.parse(argument)
process.on('disconnect', () => process.exit())
process.on('uncaughtException', (error) => {
  process.stderr.write(`${error}\n`)
  process.exit(1)
})

const wrap = (payload) => wrapped(wire, payload)
const { deflate, path = wire.path, concurrency } = scenario
const opened = []
async function openAll(count, onData = () => {}) {
  const sockets = await openAllTo(port, { ...wire, deflate, path }, count, onData, concurrency)
  for (const socket of sockets) opened.push(socket)
  return sockets
}
const commands = openControl(control)

/** Resolves when the server has so many connections. */
async function sizeIs(count) {
  while ((await commands.ask({ command: 'size' })).size !== count) await wait(10)
}

const cpuOf = async () => (await commands.ask({ command: 'cpu' })).cpu
const perSecond = (count, from) => Math.round(count / ((performance.now() - from) / 1000))

/** The CPU time of the server in microseconds per message, in the time after a warm-up. */
async function measure(messages) {
  await wait(scenario.warmup)
  const [cpuBefore, before, from] = [await cpuOf(), messages(), performance.now()]
  await wait(scenario.duration)
  const [cpu, after] = [await cpuOf(), messages()]
  const count = after - before
  return { value: (cpu - cpuBefore) / count, messages: count, perSecond: perSecond(count, from) }
}

const kinds = {
  async echo() {
    const payload = wrap(scenario.payload ?? 'x'.repeat(scenario.size))
    const request = deflate ? compressedFrame(payload) : maskedFrame(payload)
    const { state, onData } = deflate ? anyFrames() : counter(wire.isRaw ? request : serverFrame(payload))
    const requests = new Map()
    const sockets = await openAll(scenario.connections, (socket, chunk) => {
      const frames = onData(socket, chunk)
      if (frames === 0) return
      if (!requests.has(frames)) requests.set(frames, Buffer.concat(Array.from({ length: frames }, () => request)))
      socket.write(requests.get(frames))
    })
    const first = Buffer.concat(Array.from({ length: scenario.inFlight }, () => request))
    for (const socket of sockets) socket.write(first)
    return measure(() => state.frames)
  },

  /** Each connection sends a group of messages, and the next one once all answers are there. */
  async exchange() {
    const { requests, answers } = wire.exchange
    const group = Buffer.concat(requests.map((text) => maskedFrame(text)))
    const { state, onData } = counter(Buffer.concat(answers.map((text) => serverFrame(text))))
    const sockets = await openAll(scenario.connections, (socket, chunk) => {
      if (onData(socket, chunk) > 0) socket.write(group)
    })
    for (const socket of sockets) socket.write(group)
    return measure(() => state.frames * requests.length)
  },

  /** All clients join at once, and get what they have missed. */
  async resumes() {
    const { connections, missed, size } = scenario
    const { state, onData } = counter(serverFrame('x'.repeat(size)))
    await openAll(connections, onData)
    await sizeIs(connections)
    const [cpu, from] = [await cpuOf(), performance.now()]
    await commands.ask({ command: 'resume' })
    while (state.frames < connections * missed) await wait(5)
    const value = performance.now() - from
    const { reads, peak } = await commands.ask({ command: 'resumed' })
    return { value, cpu: ((await cpuOf()) - cpu) / 1000, peak: peak / 1024 / 1024, reads, messages: state.frames }
  },

  async broadcast() {
    const payload = scenario.payload ?? 'x'.repeat(scenario.size)
    const { connections, burst, publishers = 1, command = 'broadcast', rooms, isApart } = scenario
    const perTrigger = connections * burst * publishers
    // As many deliveries into rooms as to all connections.
    const count = rooms ? (burst * connections) / rooms.size : burst
    let deliveries = 0
    let next = perTrigger
    const trigger = () => {
      next = deliveries + perTrigger
      commands.tell({ command, payload, count, publishers, isApart })
    }
    const { state, onData } = deflate ? anyFrames() : counter(serverFrame(wrap(payload)))
    await openAll(connections, (socket, chunk) => {
      onData(socket, chunk)
      deliveries = state.frames
      if (deliveries >= next) trigger()
    })
    await sizeIs(connections)
    trigger()
    return measure(() => state.frames)
  },

  /** Measures whole broadcasts: with many connections, one takes so long that the time may end in the middle of it. */
  async fanout() {
    const payload = 'x'.repeat(scenario.size)
    const { connections } = scenario
    const { state, onData } = counter(serverFrame(wrap(payload)))
    let next = 0
    let done
    const broadcast = () =>
      new Promise((resolve) => {
        next += connections
        done = resolve
        commands.tell({ command: 'broadcast', payload, count: 1 })
      })
    await openAll(connections, (socket, chunk) => {
      onData(socket, chunk)
      if (state.frames === next) done()
    })
    await sizeIs(connections)
    const broadcastFor = async (time) => {
      const end = performance.now() + time
      while (performance.now() < end) await broadcast()
    }
    await broadcastFor(scenario.warmup)
    const [before, framesBefore, from] = [await cpuOf(), state.frames, performance.now()]
    await broadcastFor(scenario.duration)
    const messages = state.frames - framesBefore
    return { value: ((await cpuOf()) - before) / messages, messages, perSecond: perSecond(messages, from) }
  },

  async idle() {
    // Connections before the measurement, so that the server's code is compiled.
    await openAll(1000)
    const { rss: before } = await commands.ask({ command: 'memory' })
    await openAll(scenario.connections)
    await wait(300)
    const { rss } = await commands.ask({ command: 'memory' })
    return { value: (rss - before) / 1024 / scenario.connections, messages: scenario.connections }
  },

  async handshakes() {
    const { connections, isStorm } = scenario
    // Connections before the measurement, so that the server's code is compiled.
    const first = await openAll(isStorm ? connections : 500)
    await sizeIs(first.length)
    if (isStorm) {
      for (const socket of first) socket.destroy()
      await sizeIs(0)
    }
    const [before, from] = [await cpuOf(), performance.now()]
    await openAll(connections)
    const rate = perSecond(connections, from)
    await sizeIs(isStorm ? connections : first.length + connections)
    return { value: ((await cpuOf()) - before) / connections, messages: connections, perSecond: rate }
  },

  async heartbeats() {
    const { connections, pingInterval } = scenario
    const pong = maskedFrame('', 10)
    const { state, onData } = counter(serverFrame('', 9))
    await openAll(connections, (socket, chunk) => {
      for (let pings = onData(socket, chunk); pings > 0; pings--) socket.write(pong)
    })
    // Some servers ping all clients at once. The measurement begins and ends in the middle between two such times.
    while (state.frames < connections) await wait(10)
    await wait(pingInterval / 2)
    const [before, framesBefore, from] = [await cpuOf(), state.frames, performance.now()]
    await wait(pingInterval)
    const time = performance.now() - from
    return { value: ((await cpuOf()) - before) / time, messages: state.frames - framesBefore }
  },

  async paused() {
    const frame = serverFrame(wrap('x'.repeat(scenario.size)))
    const latencies = []
    let sentAt = 0
    let got = 0
    const { onData } = counter(frame)
    const sockets = await openAll(scenario.connections, (socket, chunk) => {
      const frames = onData(socket, chunk)
      if (socket.isPausedOnPurpose) return
      for (let i = 0; i < frames; i++) latencies.push(performance.now() - sentAt)
      got += frames
    })
    for (let i = 0; i < scenario.paused; i++) {
      sockets[i].isPausedOnPurpose = true
      sockets[i].pause()
    }
    const end = performance.now() + scenario.warmup + scenario.duration
    while (performance.now() < end) {
      got = 0
      sentAt = performance.now()
      commands.tell({ command: 'broadcast', payload: 'x'.repeat(scenario.size), count: 1 })
      while (got < scenario.connections - scenario.paused) await wait(1)
    }
    const sorted = latencies.slice(latencies.length / 4).toSorted((a, b) => a - b)
    return { value: quantile(sorted, 0.99), messages: sorted.length }
  }
}

process.send(await kinds[scenario.kind]())
// A reset, because a connection that is closed as usual keeps its port for another minute.
const closed = opened.map((socket) => socket.destroyed || once(socket.resetAndDestroy(), 'close'))
await Promise.race([Promise.all(closed), wait(10_000)])
process.exit()
