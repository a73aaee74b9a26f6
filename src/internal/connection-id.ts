import { randomBytes, randomUUID } from 'node:crypto'
import { shared } from './package-copies.ts'

// The id of a connection is the id of its process, a hyphen and a UUID. A room's name may be a UUID, but never such an id. So
// every target is clearly a room or a connection, and no client can join a room to read the messages for another connection.
const CONNECTION_ID = /^[0-9a-f]{12}-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i
const CONNECTION_ID_LENGTH = 49
const PROCESS_ID_LENGTH = 12

/** The id of this process or worker thread. Messages for a connection go only to the nodes in its process. */
export const PROCESS_ID = shared('process', () => randomBytes(PROCESS_ID_LENGTH / 2).toString('hex'))

export function newConnectionId(): string {
  return `${PROCESS_ID}-${randomUUID()}`
}

/** True if a target is the id of a connection, of this node or another. */
export function isConnectionId(target: unknown): target is string {
  return typeof target === 'string' && target.length === CONNECTION_ID_LENGTH && CONNECTION_ID.test(target)
}

/** The id of the process that has the connection. */
export function processOf(connectionId: string): string {
  return connectionId.slice(0, PROCESS_ID_LENGTH)
}
