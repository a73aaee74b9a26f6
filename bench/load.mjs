// The load generator: raw sockets and frames made beforehand, so that it costs far less than any server.
import { connect } from 'node:net'
import { randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline'

const [, , argument] = process.argv
const { port, control, scenario, wire } = JSON.parse(argument)

/** A connection to the server's control port. */
function openControl() {
  const socket = connect(control, '127.0.0.1').setNoDelay()
  const waiting = []
  createInterface({ input: socket }).on('line', (line) => waiting.shift()(JSON.parse(line)))
  return {
    tell: (message) => socket.write(`${JSON.stringify(message)}\n`),
    ask: (message) => new Promise((resolve) => {
      waiting.push(resolve)
      socket.write(`${JSON.stringify(message)}\n`)
    })
  }
}

function maskedFrame(text, opcode = 1) {
  const data = Buffer.from(text)
  const head = data.length < 126 ? Buffer.from([0x80 | opcode, 0x80 | data.length]) : Buffer.from([0x80 | opcode, 0xfe, data.length >> 8, data.length & 255])
  const mask = randomBytes(4)
  return Buffer.concat([head, mask, data.map((byte, i) => byte ^ mask[i & 3])])
}

function serverFrame(text) {
  const data = Buffer.from(text)
  const head = data.length < 126 ? Buffer.from([0x81, data.length]) : Buffer.from([0x81, 126, data.length >> 8, data.length & 255])
  return Buffer.concat([head, data])
}

const EXTENSION = 'Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n'

/** Opens a connection and passes the greetings of its protocol. `onData` gets what comes behind them. */
function open(onData) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1').setNoDelay()
    let head = Buffer.alloc(0)
    let greetings = wire.greetings ?? 0
    let isOpen = false
    const start = (rest) => {
      socket.removeListener('data', greet)
      socket.on('data', (chunk) => onData(socket, chunk))
      resolve(socket)
      if (rest.length > 0) onData(socket, rest)
    }
    const greet = (chunk) => {
      head = Buffer.concat([head, chunk])
      if (!isOpen) {
        const end = head.indexOf('\r\n\r\n')
        if (end === -1) return
        if (!head.subarray(0, 12).includes('101')) return reject(new Error(head.toString()))
        isOpen = true
        head = head.subarray(end + 4)
        for (const text of wire.hello ?? []) socket.write(maskedFrame(text))
      }
      while (greetings > 0 && head.length >= 2) {
        const length = head[1] === 126 ? 4 + head.readUInt16BE(2) : 2 + head[1]
        if (head.length < length) return
        head = head.subarray(length)
        greetings--
      }
      if (greetings === 0) start(head)
    }
    socket.on('data', greet)
    socket.on('error', reject)
    const key = randomBytes(16).toString('base64')
    socket.write(
      `GET ${wire.path ?? '/'} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
        `Sec-WebSocket-Key: ${key}\r\n${scenario.deflate ? EXTENSION : ''}\r\n`
    )
  })
}

async function openAll(count, onData, concurrency = 64) {
  const sockets = []
  let left = count
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (left-- > 0) sockets.push(await open(onData))
    })
  )
  return sockets
}

/** Counts whole copies of `frame` on each socket and checks every byte of them. */
function counter(frame) {
  const copies = Buffer.concat(Array.from({ length: Math.max(2, Math.ceil(131_072 / frame.length) + 1) }, () => frame))
  const state = { bytes: 0, frames: 0 }
  const onData = (socket, chunk) => {
    let at = socket.at ?? 0
    for (let from = 0; from < chunk.length; ) {
      const length = Math.min(chunk.length - from, copies.length - at)
      if (copies.compare(chunk, from, from + length, at, at + length) !== 0) throw new Error(`wrong bytes: ${chunk.subarray(from, from + 40).toString('latin1')}`)
      from += length
      at = (at + length) % frame.length
    }
    const before = socket.bytes ?? 0
    socket.bytes = before + chunk.length
    socket.at = at
    const frames = Math.floor(socket.bytes / frame.length) - Math.floor(before / frame.length)
    state.frames += frames
    return frames
  }
  return { state, onData }
}

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const wrap = (payload) => (wire.wrap === undefined ? payload : wire.wrap.replace('%', payload))
const commands = openControl()

/** Server CPU microseconds and messages over a window behind a warm-up. */
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
    // Enough of them before, that the server's code is compiled.
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
    return { value: sorted[Math.floor(sorted.length * 0.99)], messages: sorted.length }
  }
}

/** Counts frames of any content, for compressed ones, which are not the same from every library. */
function anyFrames() {
  const state = { frames: 0 }
  const onData = (socket, chunk) => {
    let data = socket.rest === undefined ? chunk : Buffer.concat([socket.rest, chunk])
    for (;;) {
      if (data.length < 2) break
      const short = data[1] & 127
      const length = short === 126 ? 4 + (data.length < 4 ? Infinity : data.readUInt16BE(2)) : 2 + short
      if (data.length < length) break
      if ((data[0] & 0xc0) !== 0xc0) throw new Error('a frame that is not compressed')
      data = data.subarray(length)
      state.frames++
    }
    socket.rest = data.length > 0 ? data : undefined
  }
  return { state, onData }
}

process.send(await kinds[scenario.kind]())
process.exit()
