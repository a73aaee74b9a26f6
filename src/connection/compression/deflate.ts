import { constants, deflateRaw, deflateRawSync, type ZlibOptions } from 'node:zlib'
import type { WebSocketConfig } from '../../config/route-config.ts'
import { TAIL } from './tail.ts'
import { schedule } from './zlib-jobs.ts'

/*
 * permessage-deflate without context takeover (RFC 7692): each message is compressed on its own, so that no zlib state is kept
 * between messages. Short messages are compressed at once, longer ones in zlib's threads, a few at a time.
 */

/** How to compress messages to a client. */
export interface DeflateParams {
  /** The compression level of zlib, 1 to 9. */
  level: number
  /** The window size that the client asked for, as an exponent of two. */
  windowBits: number
  /** Payloads of fewer bytes are not compressed. */
  threshold: number
}

const known = new Map<string, DeflateParams>()

/**
 * The parameters for a client with this window; undefined if messages to it are not compressed. Returns the same object for the
 * same values, so that connections can be grouped by it. There are only a few.
 */
export function deflateFor(windowBits: number | undefined, config: WebSocketConfig): DeflateParams | undefined {
  // zlib supports no window of 256 bytes, and a server may send any message uncompressed (RFC 7692, 6).
  if (windowBits === undefined || windowBits === 8) return undefined
  const { compressionLevel: level, compressionThreshold: threshold } = config
  const key = `${level} ${windowBits} ${threshold}`
  let params = known.get(key)
  if (params === undefined) known.set(key, (params = { level, windowBits, threshold }))
  return params
}

type Callback = (error: Error | null, result: Buffer) => void

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
