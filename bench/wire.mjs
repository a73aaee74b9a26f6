// The client side of both load generators: raw sockets and frames prepared in advance, so that they cost far less than any server.
import { connect } from 'node:net'
import { randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline'
import { constants, deflateRawSync } from 'node:zlib'

/** A connection to a server's control port. */
export function openControl(control) {
  const socket = connect(control, '127.0.0.1').setNoDelay()
  const waiting = []
  createInterface({ input: socket }).on('line', (line) => waiting.shift()(JSON.parse(line)))
  return {
    tell: (message) => socket.write(`${JSON.stringify(message)}\n`),
    ask: (message) =>
      new Promise((resolve) => {
        waiting.push(resolve)
        socket.write(`${JSON.stringify(message)}\n`)
      })
  }
}

export function maskedFrame(text, opcode = 1) {
  const data = Buffer.from(text)
  const head =
    data.length < 126
      ? Buffer.from([0x80 | opcode, 0x80 | data.length])
      : Buffer.from([0x80 | opcode, 0xfe, data.length >> 8, data.length & 255])
  const mask = randomBytes(4)
  return Buffer.concat([head, mask, data.map((byte, i) => byte ^ mask[i & 3])])
}

/** A compressed message of a client, without context takeover (RFC 7692, 7.2.1). */
export function compressedFrame(text) {
  const data = deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH })
  return maskedFrame(data.subarray(0, -4), 0x40 | 1)
}

export function serverFrame(text, opcode = 1) {
  const data = Buffer.from(text)
  const head =
    data.length < 126
      ? Buffer.from([0x80 | opcode, data.length])
      : Buffer.from([0x80 | opcode, 126, data.length >> 8, data.length & 255])
  return Buffer.concat([head, data])
}

const EXTENSION =
  'Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n'

/** Opens a connection and skips the greetings of its protocol. `onData` gets the data after them. */
export function open(port, { path = '/', hello = [], greetings = 0, deflate = false, localAddress }, onData) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress }).setNoDelay()
    let head = Buffer.alloc(0)
    let left = greetings
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
        if (!head.subarray(0, 12).includes('101'))
          return reject(new Error(head.toString('latin1', 0, head.indexOf('\r'))))
        isOpen = true
        head = head.subarray(end + 4)
        for (const text of hello) socket.write(maskedFrame(text))
      }
      while (left > 0 && head.length >= 2) {
        const length = head[1] === 126 ? 4 + head.readUInt16BE(2) : 2 + head[1]
        if (head.length < length) return
        head = head.subarray(length)
        left--
      }
      if (left === 0) start(head)
    }
    socket.on('data', greet)
    socket.on('error', reject)
    const key = randomBytes(16).toString('base64')
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
        `Sec-WebSocket-Key: ${key}\r\n${deflate ? EXTENSION : ''}\r\n`
    )
  })
}

/** An address has about 28 000 ports for outgoing connections, so each 10 000 connections get an address of their own. */
const addressOf = (n) => (n < 10_000 ? undefined : `127.0.0.${1 + Math.floor(n / 10_000)}`)

export async function openAll(port, wire, count, onData, concurrency = 64) {
  const sockets = []
  let opened = 0
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (opened < count) sockets.push(await open(port, { ...wire, localAddress: addressOf(opened++) }, onData))
    })
  )
  return sockets
}

/** Counts complete copies of `frame` on each socket, and checks every byte. */
export function counter(frame) {
  const copies = Buffer.concat(Array.from({ length: Math.max(2, Math.ceil(131_072 / frame.length) + 1) }, () => frame))
  const state = { bytes: 0, frames: 0 }
  const onData = (socket, chunk) => {
    let at = socket.at ?? 0
    for (let from = 0; from < chunk.length;) {
      const length = Math.min(chunk.length - from, copies.length - at)
      if (copies.compare(chunk, from, from + length, at, at + length) !== 0)
        throw new Error(`wrong bytes: ${chunk.subarray(from, from + 40).toString('latin1')}`)
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

/** Counts frames with any content: libraries compress the same message differently. */
export function anyFrames() {
  const state = { frames: 0 }
  const onData = (socket, chunk) => {
    const before = state.frames
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
    return state.frames - before
  }
  return { state, onData }
}

export const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** A payload as a protocol wraps it; in the text `wrap`, % stands for the payload. */
export const wrapped = ({ wrap }, payload) => (wrap === undefined ? payload : wrap.replace('%', payload))

/** The value below which this share of the sorted values lies. */
export const quantile = (sorted, share) => sorted[Math.floor(sorted.length * share)]

const STAMP = 20

/** A payload with the current time, from a clock that all processes of the machine share. */
export const stamped = (size) => String(process.hrtime.bigint()).padStart(STAMP, '0').padEnd(size, 'x')

/** Reads frames, or bare messages, with stamped payloads, and checks all other bytes. `onAge` gets the age of each in µs. */
export function ages(example, onAge) {
  const at = example.indexOf('x') - STAMP
  const isSame = (data, from, to) => data.compare(example, from, to, from, to) === 0
  return (socket, chunk) => {
    const now = process.hrtime.bigint()
    let data = socket.rest === undefined ? chunk : Buffer.concat([socket.rest, chunk])
    for (; data.length >= example.length; data = data.subarray(example.length)) {
      if (!isSame(data, 0, at) || !isSame(data, at + STAMP, example.length))
        throw new Error(`wrong bytes: ${data.subarray(0, 40).toString('latin1')}`)
      onAge(Number(now - BigInt(data.toString('latin1', at, at + STAMP))) / 1000)
    }
    socket.rest = data.length > 0 ? data : undefined
  }
}
