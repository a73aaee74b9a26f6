import { constants, inflateRaw, inflateRawSync, type ZlibOptions } from 'node:zlib'
import { unpooledCopy } from '../../internal/unpooled.ts'
import { TAIL } from './tail.ts'
import { schedule } from './zlib-jobs.ts'

/** Up to this many compressed bytes are inflated at once: that costs less than a trip to another thread and back. */
const INFLATE_AT_ONCE = 4 * 1024
/** How many bytes back a block may refer (RFC 1951, 2). */
const WINDOW = 32 * 1024
/** The size of zlib's output buffers, in bytes. */
const CHUNK = 16 * 1024

type Callback = (error: Error | null, result: Buffer) => void

/**
 * Inflates a message. Never produces more than `limit` bytes: a larger message is an error with the code
 * `ERR_BUFFER_TOO_LARGE`. A short message is inflated at once: the callback is called before this function returns.
 */
export function inflate(fragments: Buffer[], limit: number, callback: Callback): void {
  const input = Buffer.concat([...fragments, TAIL])
  if (input.length <= INFLATE_AT_ONCE) {
    inflateNow(input, limit, callback)
    return
  }
  schedule((done) => {
    // The types of Node.js do not know that `info` changes the result.
    inflateRaw(input, inflateOptions(limit), (error, result) => {
      done()
      if (error) callback(error, input)
      else finish(input, result as unknown as Inflated, limit, callback)
    })
  })
}

/** The result of zlib with the option `info`. */
interface Inflated {
  buffer: Buffer
  engine: { bytesWritten: number }
}

function inflateOptions(limit: number, dictionary?: Buffer): ZlibOptions {
  const options = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: limit, info: true }
  return dictionary === undefined ? options : { ...options, dictionary }
}

function inflateNow(input: Buffer, limit: number, callback: Callback): void {
  let first: Inflated
  try {
    first = inflateRawSync(input, inflateOptions(limit)) as unknown as Inflated
  } catch (error) {
    callback(error as Error, input)
    return
  }
  finish(input, first, limit, callback)
}

function finish(input: Buffer, first: Inflated, limit: number, callback: Callback): void {
  let result: Buffer
  try {
    result = first.engine.bytesWritten < input.length ? inflateRest(input, first, limit) : first.buffer
  } catch (error) {
    callback(error as Error, input)
    return
  }
  // The result is a slice of an output buffer. A short message must not keep all of it in memory.
  callback(null, result.length < CHUNK / 2 ? unpooledCopy(result) : result)
}

/** zlib stops after a block that is marked as the last one, but more of the message may follow (RFC 7692, 7.2.3.5). */
function inflateRest(input: Buffer, first: Inflated, limit: number): Buffer {
  let result = first.buffer
  let read = first.engine.bytesWritten
  while (read < input.length) {
    const room = limit - result.length
    // zlib accepts no limit of zero. If there is no room, one byte is an error below.
    const next = inflateRawSync(
      input.subarray(read),
      inflateOptions(Math.max(1, room), result.subarray(-WINDOW))
    ) as unknown as Inflated
    if (next.buffer.length > room) throw Object.assign(new Error('message too large'), { code: 'ERR_BUFFER_TOO_LARGE' })
    if (next.engine.bytesWritten === 0) break
    result = Buffer.concat([result, next.buffer])
    read += next.engine.bytesWritten
  }
  return result
}
