import type { Writable } from 'node:stream'
import type { WebSocket } from 'ws'

/**
 * The private parts of `ws` that this package touches. One is where a socket keeps its extensions: `ws`'s own permessage-deflate
 * keeps zlib's state for as long as the connection lives and cannot be held back, so that ours takes its place. The other is the
 * receiver, which knows whether `ws` closes because of a bad frame. Tests fail where a new version of `ws` keeps them elsewhere.
 */
const NAME = 'permessage-deflate'

/** What `ws` calls of an extension. */
export interface DeflateExtension {
  decompress(data: Buffer, isLast: boolean, callback: (error: Error | null, result: Buffer) => void): void
  cleanup(): void
}

/** What client and server agreed on (RFC 7692, 7.1). */
export interface DeflateNegotiated {
  server_max_window_bits?: number
  client_max_window_bits?: number
  server_no_context_takeover?: boolean
  client_no_context_takeover?: boolean
}

/** True once a frame of the peer could not be accepted. */
export function hasBadFrame(socket: WebSocket): boolean {
  return (socket as unknown as { _receiver?: Partial<Writable> })._receiver?.errored instanceof Error
}

interface WithExtensions {
  _extensions: { [NAME]?: DeflateExtension & { params?: DeflateNegotiated } }
}

/** What was negotiated, or undefined where compression was not. */
export function negotiatedDeflate(socket: WebSocket): DeflateNegotiated | undefined {
  return (socket as unknown as WithExtensions)._extensions[NAME]?.params
}

/** Puts an extension in the place of `ws`'s own. */
export function replaceDeflate(socket: WebSocket, extension: DeflateExtension): void {
  ;(socket as unknown as WithExtensions)._extensions[NAME] = extension
}
