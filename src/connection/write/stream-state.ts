import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { immediate } from '../../internal/event-loop.ts'

/** True for a stream that reports what the kernel took in the next turn at the earliest: TLS, and streams in memory. */
export function reportsLater(stream: Duplex): boolean {
  return stream instanceof TLSSocket || !(stream instanceof Socket)
}

/** True from the first error on. `destroyed` becomes true one tick later. */
export function isBroken(stream: Duplex): boolean {
  return stream.destroyed || Boolean(stream.errored)
}

/** Closes a stream in memory, such as one of `injectWS`, after our side has ended. Unlike a socket it does not do so itself. */
export function closeOnFinish(stream: Duplex): void {
  if (!(stream instanceof Socket)) stream.once('finish', () => immediate(() => stream.destroy()))
}
