import { constants, deflateRaw, deflateRawSync, inflateRaw, inflateRawSync, type ZlibOptions } from 'node:zlib'

/**
 * permessage-deflate without context takeover (RFC 7692): each message is compressed on its own, so that no zlib state is kept
 * between messages. Short messages are compressed at once, longer ones in zlib's threads, a few at a time.
 */
export interface DeflateParams {
  /** The compression level of zlib, 1 to 9. */
  level: number
  /** The window size that the client asked for, as an exponent of two. */
  windowBits: number
  /** Payloads of fewer bytes are not compressed. */
  threshold: number
}

const known = new Map<string, DeflateParams>()

/** Returns the same object for the same values, so that connections can be grouped by it. There are only a few. */
export function deflateParams(level: number, windowBits: number, threshold: number): DeflateParams {
  const key = `${level} ${windowBits} ${threshold}`
  let params = known.get(key)
  if (params === undefined) known.set(key, (params = { level, windowBits, threshold }))
  return params
}

/** Up to this many compressed bytes are inflated at once: that costs less than a trip to another thread and back. */
const INFLATE_AT_ONCE = 4 * 1024
/** How many bytes back a block may refer (RFC 1951, 2). */
const WINDOW = 32 * 1024
/** The size of zlib's output buffers, in bytes. */
const CHUNK = 16 * 1024
/** How many messages zlib's threads may work on at the same time. Each takes 256 KiB of memory. */
const CONCURRENCY = 4
/** The end of a compressed message, which is not sent (RFC 7692, 7.2.1). */
const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff])

type Callback = (error: Error | null, result: Buffer) => void
type Job = (done: () => void) => void

const jobs: Job[] = []
let running = 0

function schedule(job: Job): void {
  jobs.push(job)
  runJobs()
}

function runJobs(): void {
  while (running < CONCURRENCY && jobs.length > 0) {
    running++
    ;(jobs.shift() as Job)(() => {
      running--
      runJobs()
    })
  }
}

/** Compresses a short payload at once. */
export function deflateNow(payload: Buffer, params: DeflateParams): Buffer {
  return withoutTail(deflateRawSync(payload, deflateOptions(params)))
}

/** Compresses a payload in another thread. */
export function deflateLater(payload: Buffer, params: DeflateParams, callback: Callback): void {
  schedule((done) => {
    deflateRaw(payload, deflateOptions(params), (error, result) => {
      done()
      callback(error, error ? payload : withoutTail(result))
    })
  })
}

function deflateOptions({ level, windowBits }: DeflateParams): ZlibOptions {
  return { level, windowBits, finishFlush: constants.Z_SYNC_FLUSH }
}

function withoutTail(result: Buffer): Buffer {
  return result.subarray(0, result.length - TAIL.length)
}

/**
 * Inflates a message. Never produces more than `limit` bytes: a larger message is an error with the code
 * `ERR_BUFFER_TOO_LARGE`. The callback is never called before this function returns.
 */
export function inflate(fragments: Buffer[], limit: number, callback: Callback): void {
  const input = Buffer.concat([...fragments, TAIL])
  if (input.length <= INFLATE_AT_ONCE) {
    process.nextTick(inflateNow, input, limit, callback)
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
  callback(null, result.length < CHUNK / 2 ? Buffer.from(result) : result)
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
