import type { Definition } from '../contract/definition.ts'

/** The event of a contract that a message is. Messages without an audience are raw. */
export interface Audience {
  readonly contract: string
  readonly event: string
}

/**
 * Whether a client gets a message. A client of a contract understands only the events of its contract. A client of a route
 * without one gets everything.
 */
export function accepts(contract: Definition | undefined, audience: Audience | undefined): boolean {
  if (contract === undefined) return true
  return audience?.contract === contract.name && Object.hasOwn(contract.fromServer, audience.event)
}
