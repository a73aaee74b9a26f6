import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'

/** What a server's `upgrade` event comes with. */
export type UpgradeArguments = [request: IncomingMessage, socket: Duplex, head: Buffer]
export type UpgradeListener = (...args: UpgradeArguments) => void

/**
 * From now on `dispatch` gets every upgrade of a server in place of the listeners of its event, and decides which of them to
 * call. Returns a function that takes this back; if someone else has replaced `emit` since, theirs stays and ours does nothing.
 */
export function interceptUpgrades(server: Server, dispatch: UpgradeListener): () => void {
  const own = Object.getOwnPropertyDescriptor(server, 'emit')
  const emit = server.emit.bind(server) as (event: string | symbol, ...args: unknown[]) => boolean
  let isOver = false
  const replacement = (event: string | symbol, ...args: unknown[]): boolean => {
    if (event !== 'upgrade' || isOver) return emit(event, ...args)
    dispatch(...(args as UpgradeArguments))
    return true
  }
  server.emit = replacement
  return () => {
    isOver = true
    if (server.emit !== replacement) return
    if (own === undefined) delete (server as { emit?: unknown }).emit
    else Object.defineProperty(server, 'emit', own)
  }
}
