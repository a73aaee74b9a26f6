import type { Duplex, Writable } from 'node:stream'
import type { WebSocket } from 'ws'

/*
 * All access to private parts of `ws`: its extensions, the state of its closing handshake, and the data that it has not parsed.
 * A test fails if a new version of `ws` changes any of these.
 *
 * Our permessage-deflate replaces that of `ws`, which keeps zlib's state for as long as the connection lives, and cannot be
 * told to wait while messages are unread.
 */
const NAME = 'permessage-deflate'

/** The part of an extension that `ws` calls. */
export interface DeflateExtension {
  decompress(data: Buffer, isLast: boolean, callback: (error: Error | null, result: Buffer) => void): void
  cleanup(): void
}

/** The parameters that client and server agreed on (RFC 7692, 7.1). */
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

/** True after a frame of the client that `ws` could not accept. */
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

/** The negotiated parameters; undefined if compression was not negotiated. */
export function negotiatedDeflate(socket: WebSocket): DeflateNegotiated | undefined {
  return privateOf(socket)._extensions[NAME]?.params
}

/** Replaces the permessage-deflate of `ws`. */
export function replaceDeflate(socket: WebSocket, extension: DeflateExtension): void {
  privateOf(socket)._extensions[NAME] = extension
}

/** True after the client's close frame, or a frame that violates the protocol. `ws` parses nothing after either. */
export function hasClientEnded(socket: WebSocket): boolean {
  const { _closeFrameReceived, _receiver } = privateOf(socket)
  return _closeFrameReceived || _receiver._writableState.errorEmitted
}

/** True once the kernel has taken our close frame. */
export function hasSentClose(socket: WebSocket): boolean {
  return privateOf(socket)._closeFrameSent
}

/** The received data that `ws` has not parsed. */
export function unparsed(socket: WebSocket): Buffer[] {
  const { _buffers, _writableState } = privateOf(socket)._receiver
  return [..._buffers, ..._writableState.getBuffer().map(({ chunk }) => chunk)]
}

/** How many bytes follow the length field of the frame that `ws` parsed last: mask and payload. */
export function bytesAfterLength(socket: WebSocket): number {
  return 4 + privateOf(socket)._receiver._payloadLength
}

/**
 * Keeps `ws` from ending our side of the stream as soon as the client has ended its own, because we still have data to send.
 */
export function keepHalfOpen(stream: Duplex): void {
  const listener = stream.listeners('end').find(({ name }) => name === 'socketOnEnd')
  if (listener !== undefined) stream.removeListener('end', listener as () => void)
}
