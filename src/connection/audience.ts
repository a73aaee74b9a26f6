import type { ContractEvent, Definition } from '../contract/definition.ts'

/**
 * Whether a client gets a message. A client of a contract understands only the events of its contract. A client of a route
 * without one gets everything.
 *
 * @param audience the event that the message is; undefined for a raw message.
 */
export function accepts(contract: Definition | undefined, audience: ContractEvent | undefined): boolean {
  if (contract === undefined) return true
  return audience?.contract === contract.name && Object.hasOwn(contract.fromServer, audience.event)
}
