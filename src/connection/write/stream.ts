import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'

/** True for a socket that reports at the next turn at the earliest that the kernel took something: TLS, and pairs in memory. */
export function takesTime(socket: Duplex): boolean {
  return socket instanceof TLSSocket || !(socket instanceof Socket)
}

/** True from the first error on; `destroyed` comes a tick later. */
export function isBroken(socket: Duplex): boolean {
  return socket.destroyed || Boolean(socket.errored)
}

/** A pair of streams in memory, as `injectWS` makes one, does not close when both sides have ended. */
export function closeOnFinish(raw: Duplex): void {
  if (!(raw instanceof Socket)) raw.once('finish', () => setImmediate(() => raw.destroy()))
}
