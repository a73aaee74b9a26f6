import type { Duplex } from 'node:stream'
import { closeOnFinish } from './write/stream-state.ts'

/** Gets the events of a stream. An interface, because the session imports this file. */
export interface StreamOwner {
  onData(chunk: Buffer): void
  /** The client has ended its side of TCP. */
  onEnd(): void
  /** The stream is closed. These bytes came before, and were not read because the stream was paused. */
  onStreamClosed(rest: Buffer | null): void
}

const OWNER = Symbol('fastify-blaze-ws.owner')

type OwnedStream = Duplex & { [OWNER]: StreamOwner }

/**
 * Passes the events of a stream to its owner. The listeners are the same for all streams, because closures would take memory for
 * each.
 *
 * The stream must have an `error` listener already: without one, an error would crash the process.
 *
 * @param head the bytes that came with the upgrade request.
 */
export function ownStream(stream: Duplex, owner: StreamOwner, head: Buffer): void {
  ;(stream as OwnedStream)[OWNER] = owner
  closeOnFinish(stream)
  if (head.length > 0) stream.unshift(head)
  stream.on('data', onData).on('end', onEnd).on('close', onClose)
}

function onData(this: OwnedStream, chunk: Buffer): void {
  this[OWNER].onData(chunk)
}

function onEnd(this: OwnedStream): void {
  this[OWNER].onEnd()
}

function onClose(this: OwnedStream): void {
  this.removeListener('data', onData)
  const { readableLength } = this
  this[OWNER].onStreamClosed(readableLength > 0 ? (this.read(readableLength) as Buffer | null) : null)
}
