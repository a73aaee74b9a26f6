import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'

/** The arguments of a server's `upgrade` event. */
export type UpgradeArguments = [request: IncomingMessage, stream: Duplex, head: Buffer]
export type UpgradeListener = (...args: UpgradeArguments) => void

/**
 * Passes every upgrade of a server to `dispatch` instead of the listeners of its event. Returns a function that undoes this. If
 * other code has replaced `server.emit` since then, that stays, and our replacement only forwards.
 */
export function interceptUpgrades(server: Server, dispatch: UpgradeListener): () => void {
  const own = Object.getOwnPropertyDescriptor(server, 'emit')
  const emit = server.emit.bind(server) as (event: string | symbol, ...args: unknown[]) => boolean
  let isUndone = false
  const replacement = (event: string | symbol, ...args: unknown[]): boolean => {
    if (event !== 'upgrade' || isUndone) return emit(event, ...args)
    dispatch(...(args as UpgradeArguments))
    return true
  }
  server.emit = replacement
  return () => {
    isUndone = true
    if (server.emit !== replacement) return
    if (own === undefined) delete (server as { emit?: unknown }).emit
    else Object.defineProperty(server, 'emit', own)
  }
}
