import type { WebSocketConnection } from '../connection/connection.ts'
import { shared } from '../internal/package-copies.ts'

/** The open connections of each server, in a hub or not, the oldest first. */
export const openConnections = shared('open-connections', () => new WeakMap<object, ReadonlySet<WebSocketConnection>>())
