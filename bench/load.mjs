// The load generator for a single server.
import {
  anyFrames,
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

const wrap = (payload) => wrapped(wire, payload)
const openAll = (count, onData) => openAllTo(port, { ...wire, deflate: scenario.deflate }, count, onData)
const commands = openControl(control)

/** The CPU time of the server in microseconds per message, in the time after a warm-up. */
async function measure(messages) {
  await wait(scenario.warmup)
  const [{ cpu: cpuBefore }, before, from] = [await commands.ask({ command: 'cpu' }), messages(), performance.now()]
  await wait(scenario.duration)
  const [{ cpu }, after, to] = [await commands.ask({ command: 'cpu' }), messages(), performance.now()]
  const count = after - before
  return { value: (cpu - cpuBefore) / count, messages: count, perSecond: Math.round(count / ((to - from) / 1000)) }
}

const kinds = {
  async echo() {
    const payload = 'x'.repeat(scenario.size)
    const isRaw = wire.isRaw
    const request = maskedFrame(wrap(payload))
    const { state, onData } = counter(isRaw ? request : serverFrame(wrap(payload)))
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

  async broadcast() {
    const payload = scenario.payload ?? 'x'.repeat(scenario.size)
    const { connections, burst, publishers = 1 } = scenario
    const perTrigger = connections * burst * publishers
    let deliveries = 0
    let next = perTrigger
    const trigger = () => {
      next = deliveries + perTrigger
      commands.tell({ command: scenario.command ?? 'broadcast', payload, count: burst, publishers })
    }
    const { state, onData } = scenario.deflate ? anyFrames() : counter(serverFrame(wrap(payload)))
    await openAll(connections, (socket, chunk) => {
      onData(socket, chunk)
      deliveries = state.frames
      if (deliveries >= next) trigger()
    })
    while ((await commands.ask({ command: 'size' })).size < connections) await wait(10)
    trigger()
    return measure(() => state.frames)
  },

  async idle() {
    // Connections before the measurement, so that the server's code is compiled.
    await openAll(1000, () => {})
    const { rss: before } = await commands.ask({ command: 'memory' })
    await openAll(scenario.connections, () => {})
    await wait(300)
    const { rss } = await commands.ask({ command: 'memory' })
    return { value: (rss - before) / 1024 / scenario.connections, messages: scenario.connections }
  },

  async handshakes() {
    await openAll(500, () => {})
    const from = performance.now()
    await openAll(scenario.connections, () => {})
    return { value: scenario.connections / ((performance.now() - from) / 1000), messages: scenario.connections }
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
process.exit()
