import { notificationText } from '../rpc/texts.ts'
import type { CompiledContract } from './compiled-contract.ts'
import type { DataCheck } from './data-check.ts'

/**
 * The text of an event for clients: checked and serialized once, whatever the number of receivers.
 *
 * @throws TypeError if the contract has no such event, or if the data does not fit.
 */
export function eventText(contract: CompiledContract, event: string, data: unknown): string {
  const check = contract.fromServer(event)
  if (check === undefined)
    throw new TypeError(`The contract "${contract.definition.name}" has no event "${event}" in fromServer`)
  return notificationText(event, paramsText(check, data, `fromServer.${event}`))
}

/**
 * The JSON of data that is sent as `params`; undefined for no data.
 *
 * @param name for errors.
 * @throws TypeError if the data does not fit, or is neither an object nor an array.
 */
export function paramsText(check: DataCheck, data: unknown, name: string): string | undefined {
  const params = check.outgoing(data)
  if (params !== undefined && params[0] !== '{' && params[0] !== '[')
    throw new TypeError(`The data of ${name} must be an object or an array, because JSON-RPC carries nothing else`)
  return params
}
