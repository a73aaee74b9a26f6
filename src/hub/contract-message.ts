import { type Delivery, PreparedMessage } from '../connection/write/prepared-message.ts'
import type { ContractEvent } from '../contract/definition.ts'
import { ownCopy } from '../internal/payload.ts'
import { TextMessage } from '../internal/message.ts'
import { compiledContract } from '../schemas/contracts.ts'
import { eventText } from '../schemas/event-text.ts'

/** A message for the clients of a hub, and whom it is for. */
export interface HubMessage {
  readonly message: PreparedMessage
  /** The event that the message is; undefined for a raw message. */
  readonly audience: ContractEvent | undefined
}

/**
 * An event of a contract, checked and serialized once for all recipients.
 *
 * @param server the server of the hub, whose compilers are used if it has a route with this contract.
 * @throws TypeError if the contract has no such event, or if the data does not fit.
 */
export function contractMessage(
  contract: unknown,
  event: string,
  data: unknown,
  server: object | undefined,
  delivery: Delivery | undefined
): HubMessage {
  const compiled = compiledContract(contract, server)
  const text = eventText(compiled, event, data)
  return {
    message: new PreparedMessage(TextMessage, ownCopy(text), text, delivery),
    audience: { contract: compiled.definition.name, event }
  }
}
