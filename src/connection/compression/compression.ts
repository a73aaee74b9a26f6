import { type DeflateParams, deflateParams } from './deflate.ts'
import { type CompressedSession, Inflater } from './inflater.ts'
import { negotiatedDeflate, replaceDeflate } from '../ws-private.ts'

/**
 * Sets up the compression that client and server have negotiated, if any. From now on compressed messages of the client are
 * inflated. Returns how to compress messages to the client; undefined if they are not compressed.
 */
export function setUpCompression(session: CompressedSession): DeflateParams | undefined {
  const negotiated = negotiatedDeflate(session.socket)
  if (negotiated === undefined) return undefined
  const { compressionLevel: level, compressionThreshold: threshold } = session.config
  replaceDeflate(session.socket, new Inflater(session))
  const windowBits = negotiated.server_max_window_bits ?? 15
  // zlib supports no window of 256 bytes, and a server may send any message uncompressed (RFC 7692, 6).
  return windowBits === 8 ? undefined : deflateParams(level, windowBits, threshold)
}
