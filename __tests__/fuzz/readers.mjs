// Reads a stream with our frame reader and with the one of ws, and reports both in the same way: the events in order, and the
// end, which is a close frame, an error, or undefined if the stream stays open.
import { PerMessageDeflate, Receiver } from 'ws'
import { LIMITS } from './limits.mjs'

const dist = process.env.FUZZ_DIST ?? new URL('../../dist/', import.meta.url).href
const { FrameReader } = await import(new URL('esm/connection/read/frame-reader.js', dist))

const STATUS_CODE = Object.getOwnPropertySymbols(await wsError()).find(
  ({ description }) => description === 'status-code'
)

/** An error of ws: the symbol of its close code is not exported. */
function wsError() {
  return new Promise((resolve) => new Receiver({ isServer: true }).on('error', resolve).write(Buffer.alloc(2)))
}

/** Notes what a reader delivers. */
class Notes {
  events = []
  end

  message(type, data) {
    this.events.push({ kind: type === 1 ? 'text' : 'binary', data })
  }

  control(kind, data) {
    this.events.push({ kind, data })
  }

  close(code, reason) {
    this.end = { kind: 'close', closeCode: code, reason }
  }

  error(closeCode, code) {
    this.end = { kind: 'error', closeCode, code }
  }
}

/** Copies a chunk, because readers unmask in place. It begins anywhere in its memory, as a real chunk does. */
function copy(chunk, index) {
  const padding = index % 8
  const bytes = Buffer.allocUnsafeSlow(padding + chunk.length)
  bytes.set(chunk, padding)
  return bytes.subarray(padding)
}

/** Adds `failedAt`: how many bytes it had been given when the stream ended. */
export async function readOurs(chunks, isCompressed) {
  const notes = new Notes()
  let onReady = () => {}
  const receiver = {
    isFull: false,
    unreadBytes: 0,
    onMessage: ({ type, data }) => notes.message(type, data),
    onPing: (data) => notes.control('ping', data),
    onPong: (data) => notes.control('pong', data),
    onCloseFrame: (code, reason) => notes.close(code, reason),
    onBadFrame: ({ closeCode, code }) => notes.error(closeCode, code),
    onReaderReady: () => onReady()
  }
  const reader = new FrameReader(receiver, { ...LIMITS, maxBufferedChunks: Infinity }, isCompressed)
  let given = 0
  for (const [index, chunk] of chunks.entries()) {
    given += chunk.length
    reader.read(copy(chunk, index))
    // A paused stream may still give a chunk.
    if (reader.isInflating && index % 2 === 0) await new Promise((resolve) => (onReady = resolve))
    if (notes.end !== undefined) notes.failedAt ??= given
  }
  await new Promise((resolve) => reader.finish(resolve))
  return notes
}

export async function readWithWs(bytes, isCompressed) {
  const notes = new Notes()
  const deflate = new PerMessageDeflate({
    isServer: true,
    maxPayload: LIMITS.maxMessageSize,
    serverNoContextTakeover: true,
    clientNoContextTakeover: true
  })
  deflate.accept([{}])
  const receiver = new Receiver({
    isServer: true,
    maxPayload: LIMITS.maxMessageSize,
    maxFragments: LIMITS.maxFragments,
    extensions: isCompressed ? { [PerMessageDeflate.extensionName]: deflate } : {}
  })
  receiver.on('message', (data, isBinary) => notes.message(isBinary ? 2 : 1, data))
  receiver.on('ping', (data) => notes.control('ping', data))
  receiver.on('pong', (data) => notes.control('pong', data))
  receiver.on('conclude', (code, reason) => notes.close(code, reason.toString()))
  receiver.on('error', (error) => notes.error(error[STATUS_CODE], error.code))
  await new Promise((resolve) => {
    receiver.on('close', resolve)
    receiver.end(Buffer.from(bytes))
  })
  deflate.cleanup()
  return notes
}
