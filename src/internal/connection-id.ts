import { randomBytes, randomUUID } from 'node:crypto'
import { shared } from './copies.ts'

// An id of a connection is the id of its process, a hyphen and a UUID. A room may have a UUID for its name, but not an id: so a
// name says by itself whether it means a room or a connection, and a message for one never reaches a room that someone made up.
const PATTERN = /^[0-9a-f]{12}-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const LENGTH = 49
const PROCESS_LENGTH = 12

/** The id of this process, or of this worker thread. It leads messages for a connection to the nodes that can have it. */
export const PROCESS_ID = shared('process', () => randomBytes(PROCESS_LENGTH / 2).toString('hex'))

export function newConnectionId(): string {
  return `${PROCESS_ID}-${randomUUID()}`
}

/** Whether a name is the id of a connection, here or elsewhere. */
export function isConnectionId(name: unknown): name is string {
  return typeof name === 'string' && name.length === LENGTH && PATTERN.test(name)
}

/** The process in which the connection with this id is. */
export function processOf(id: string): string {
  return id.slice(0, PROCESS_LENGTH)
}
