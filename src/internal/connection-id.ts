import { randomBytes, randomUUID } from 'node:crypto'
import { shared } from './copies.ts'

// The id of a connection is the id of its process, a hyphen and a UUID. A room's name may be a UUID, but not such an id. So every
// target is clearly a room or a connection, and a message for a connection never reaches a room that a client has named like it.
const PATTERN = /^[0-9a-f]{12}-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const LENGTH = 49
const PROCESS_LENGTH = 12

/** The id of this process or worker thread. Messages for a connection go only to the nodes in its process. */
export const PROCESS_ID = shared('process', () => randomBytes(PROCESS_LENGTH / 2).toString('hex'))

export function newConnectionId(): string {
  return `${PROCESS_ID}-${randomUUID()}`
}

/** True if a target is the id of a connection, of this node or another. */
export function isConnectionId(name: unknown): name is string {
  return typeof name === 'string' && name.length === LENGTH && PATTERN.test(name)
}

/** The id of the process that has the connection. */
export function processOf(id: string): string {
  return id.slice(0, PROCESS_LENGTH)
}
