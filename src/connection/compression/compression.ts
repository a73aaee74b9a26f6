import { type DeflateParams, deflateParams } from './deflate.ts'
import { Inflater, type InflaterSubject } from './inflater.ts'
import type { ServerSocket } from '../socket.ts'
import { negotiatedDeflate, replaceDeflate } from './ws-private.ts'

/** A connection as its compression knows it. */
export interface Compressed extends InflaterSubject {
  readonly socket: ServerSocket
  readonly config: InflaterSubject['config'] & { compressionLevel: number; compressionThreshold: number }
}

/** Puts to work what client and server agreed on: what comes is inflated, and what goes is deflated with these, or not at all. */
export function setUpDeflate(subject: Compressed): DeflateParams | undefined {
  const negotiated = negotiatedDeflate(subject.socket)
  if (negotiated === undefined) return undefined
  const { compressionLevel: level, compressionThreshold: threshold } = subject.config
  replaceDeflate(subject.socket, new Inflater(subject))
  const windowBits = negotiated.server_max_window_bits ?? 15
  // zlib makes no raw stream with a window of 256 bytes, and nobody has to compress what may be compressed (RFC 7692, 6).
  return windowBits === 8 ? undefined : deflateParams(level, windowBits, threshold)
}
