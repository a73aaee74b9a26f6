import { connect } from 'node:net'

/** A client's frame; `length` may lie. */
function frame(opcode, payload, { fin = true, isMasked = true, length = payload.length } = {}) {
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10)
  head[0] = (fin ? 0x80 : 0) | opcode
  head[1] = (isMasked ? 0x80 : 0) | (length < 126 ? length : length < 65_536 ? 126 : 127)
  if (head.length === 4) head.writeUInt16BE(length, 2)
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2)
  // A mask of zeros is valid, and changes nothing.
  return isMasked ? Buffer.concat([head, Buffer.alloc(4), payload]) : Buffer.concat([head, payload])
}

function handshake(path) {
  return (
    `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
    'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
  )
}

const text = (length) => Buffer.alloc(length, 'x')

const BROKEN = [
  (dice) => dice.bytes(dice.integer(1, 300)),
  () => frame(1, text(10), { isMasked: false }),
  () => frame(3, text(10)),
  () => frame(1, Buffer.from([0xff, 0xfe, 0xfd])),
  () => frame(8, Buffer.from([0x03])),
  () => frame(9, text(10), { fin: false }),
  () => frame(0, text(10)),
  () => Buffer.concat([frame(1, text(10), { fin: false }), frame(1, text(10))])
]

const HUGE = [
  () => frame(2, text(100), { length: 2 ** 40 }),
  () => frame(2, text(1024 * 1024)),
  () => Buffer.concat(Array.from({ length: 40 }, (_, i) => frame(i === 0 ? 2 : 0, text(4096), { fin: false })))
]

/** Writes repeatedly: faster than allowed, but slow enough to leave time for the other clients. */
function flood(socket, bytes) {
  const more = () => {
    if (socket.writable) socket.write(bytes, () => setTimeout(more, 100))
  }
  more()
}

/** What each kind does after its handshake. */
const KINDS = {
  /** Is sent broadcasts, and reads none of them. */
  deaf: (socket) => socket.pause(),
  /** Joins a busy room, and reads nothing. */
  glutton: Object.assign((socket) => socket.pause(), { path: '/soak?room=heavy' }),
  /** Reads none of the messages that its own handler writes. */
  hog: Object.assign((socket) => socket.pause(), { path: '/pour' }),
  /** Sends messages, and does not read the echoes. */
  chatterer: (socket) => {
    socket.pause()
    flood(socket, Buffer.concat(Array.from({ length: 20 }, () => frame(1, text(2_000)))))
  },
  /** Is reset in the middle of a frame. */
  reset: (socket, dice) => {
    const bytes = frame(1, text(500))
    socket.write(bytes.subarray(0, dice.integer(1, bytes.length - 1)), () => socket.resetAndDestroy())
  },
  broken: (socket, dice) => void socket.write(dice.pick(BROKEN)(dice)),
  /** Ends only its own side, and never answers a close frame. */
  halfOpen: (socket) => void socket.end(),
  pingFlood: (socket) => flood(socket, Buffer.concat(Array.from({ length: 150 }, () => frame(9, text(20))))),
  huge: (socket, dice) => void socket.write(dice.pick(HUGE)(dice)),
  /** Sends a part of the handshake: see `begin`. */
  cutHandshake: () => {},
  /** Sends the handshake and disconnects before the answer: see `begin`. */
  vanish: () => {}
}

export const HOSTILE_KINDS = Object.keys(KINDS)

/** After this time a hostile client gives up by itself; it is longer than the server's deadlines. */
const PATIENCE = [3_000, 25_000]

function begin(socket, kind, dice) {
  const request = handshake(KINDS[kind].path ?? `/soak?room=room-${dice.integer(0, 9)}`)
  if (kind === 'cutHandshake') socket.write(request.slice(0, dice.integer(0, request.length - 3)))
  else socket.write(request)
  if (kind === 'vanish') setImmediate(() => socket.resetAndDestroy())
}

/** Lives until the server drops it or it gives up. */
export function hostile(port, kind, dice) {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: kind === 'halfOpen' })
  socket.on('error', () => {})
  socket.once('connect', () => begin(socket, kind, dice))
  socket.once('data', (head) => {
    socket.resume()
    if (head.subarray(0, 12).includes('101')) KINDS[kind](socket, dice)
  })
  const patience = setTimeout(
    () => (dice.chance(0.5) ? socket.resetAndDestroy() : socket.destroy()),
    dice.between(...PATIENCE)
  )
  return new Promise((resolve) => {
    socket.once('close', () => {
      clearTimeout(patience)
      resolve()
    })
  })
}
