import type { Duplex, Writable } from 'node:stream'
import type { WebSocket } from 'ws'

/**
 * The private parts of `ws` that this package touches: its extensions, how far its closing handshake has got, and whether a bad
 * frame is why it closes. A test fails if a new version of `ws` keeps them elsewhere or calls them otherwise.
 *
 * `ws`'s own permessage-deflate keeps zlib's state for as long as the connection lives and cannot be held back, so that ours
 * takes its place.
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

interface Receiver extends Writable {
  _buffers: Buffer[]
  _payloadLength: number
  _writableState: { errorEmitted: boolean; getBuffer(): { chunk: Buffer }[] }
}

/** True once a frame of the peer could not be accepted. */
export function hasBadFrame(socket: WebSocket): boolean {
  return (socket as unknown as { _receiver?: Partial<Writable> })._receiver?.errored instanceof Error
}

interface Private {
  _extensions: { [NAME]?: DeflateExtension & { params?: DeflateNegotiated } }
  _closeFrameReceived: boolean
  _closeFrameSent: boolean
  _receiver: Receiver
}

function privateOf(socket: WebSocket): Private {
  return socket as unknown as Private
}

/** What was negotiated, or undefined where compression was not. */
export function negotiatedDeflate(socket: WebSocket): DeflateNegotiated | undefined {
  return privateOf(socket)._extensions[NAME]?.params
}

/** Puts an extension in the place of `ws`'s own. */
export function replaceDeflate(socket: WebSocket, extension: DeflateExtension): void {
  privateOf(socket)._extensions[NAME] = extension
}

/** True once the peer's close frame has come, or a frame that breaks the protocol: `ws` reads nothing behind it. */
export function hasPeerEnded(socket: WebSocket): boolean {
  const { _closeFrameReceived, _receiver } = privateOf(socket)
  return _closeFrameReceived || _receiver._writableState.errorEmitted
}

/** True once the kernel has our close frame. */
export function hasSentClose(socket: WebSocket): boolean {
  return privateOf(socket)._closeFrameSent
}

/** What has come and `ws` has not looked at. */
export function unparsed(socket: WebSocket): Buffer[] {
  const { _buffers, _writableState } = privateOf(socket)._receiver
  return [..._buffers, ..._writableState.getBuffer().map(({ chunk }) => chunk)]
}

/** How many bytes follow the length of the frame that `ws` looked at last: mask and payload. */
export function bytesBehindLength(socket: WebSocket): number {
  return 4 + privateOf(socket)._receiver._payloadLength
}

/** Keeps `ws` from ending our side of TCP as soon as the peer ends its own: there is still something to send. */
export function keepHalfOpen(raw: Duplex): void {
  const listener = raw.listeners('end').find(({ name }) => name === 'socketOnEnd')
  if (listener !== undefined) raw.removeListener('end', listener as () => void)
}
