import { constants, deflateRaw, deflateRawSync, inflateRaw, inflateRawSync, type ZlibOptions } from 'node:zlib'

/**
 * permessage-deflate without context takeover (RFC 7692): each message is a stream of its own, so that nothing of zlib is
 * held between two messages. Short messages are done at once, longer ones in zlib's threads, a few at a time.
 */
export interface DeflateParams {
  /** zlib's level, 1 to 9. */
  level: number
  /** The window that the client asked for, as a power of two. */
  windowBits: number
  /** Shorter payloads are sent as they are, in bytes. */
  threshold: number
}

const known = new Map<string, DeflateParams>()

/** The same object for the same values: connections are told apart by it. There are as many as routes and windows differ. */
export function deflateParams(level: number, windowBits: number, threshold: number): DeflateParams {
  const key = `${level} ${windowBits} ${threshold}`
  let params = known.get(key)
  if (params === undefined) known.set(key, (params = { level, windowBits, threshold }))
  return params
}

/** Up to this many compressed bytes, inflating costs less than the way to another thread and back. */
const AT_ONCE = 4 * 1024
/** How far back a block may refer, in bytes (RFC 1951, 2). */
const WINDOW = 32 * 1024
/** What zlib makes its output in, in bytes. */
const CHUNK = 16 * 1024
/** How many of zlib's streams may work at the same time: each takes 256 KiB while it does. */
const CONCURRENCY = 4
/** What ends a message's last block and is not sent (RFC 7692, 7.2.1). */
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
 * Inflates a message; never holds more than `limit` bytes of it. The callback is never called before this returns.
 * An error's `code` is `ERR_BUFFER_TOO_LARGE` where the message is larger than `limit`.
 */
export function inflate(fragments: Buffer[], limit: number, callback: Callback): void {
  const input = Buffer.concat([...fragments, TAIL])
  if (input.length <= AT_ONCE) {
    process.nextTick(inflateNow, input, limit, callback)
    return
  }
  schedule((done) => {
    // The types of Node do not know what `info` changes.
    inflateRaw(input, inflateOptions(limit), (error, result) => {
      done()
      if (error) callback(error, input)
      else finish(input, result as unknown as Inflated, limit, callback)
    })
  })
}

/** What zlib gives with `info`. */
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
  // zlib hands out a slice of 16 KiB; a short message must not keep all of it alive.
  callback(null, result.length < CHUNK / 2 ? Buffer.from(result) : result)
}

/** zlib ends at a block that says it is the last one, and behind that there may be more of the message (RFC 7692, 7.2.3.5). */
function inflateRest(input: Buffer, first: Inflated, limit: number): Buffer {
  let result = first.buffer
  let read = first.engine.bytesWritten
  while (read < input.length) {
    const room = limit - result.length
    // zlib takes no limit of zero; one byte more than there is room for is an error below.
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
