import type { Comeback } from '../connection/session.ts'
import type { CloseInfo } from '../internal/close-codes.ts'
import { isFinalCode } from '../rpc/final-codes.ts'
import { RpcMethod } from '../rpc/json-rpc.ts'
import { notificationText } from '../rpc/texts.ts'

/** The reason of a connection that is closed because no hello has come in time. */
export const NO_HELLO = 'no hello in time'
/** A client that was merely silent did not break a rule, although its connection is closed with 1008. Its network may have stood still. */
const SILENT: ReadonlySet<string> = new Set(['read timeout', NO_HELLO])

/** What a client is told before the server closes its connection. */
export function goodbyeText({ code, reason }: CloseInfo, comeback: Comeback | undefined): string {
  const reconnect = SILENT.has(reason) || !isFinalCode(code)
  return notificationText(RpcMethod.Goodbye, JSON.stringify(reconnect ? { reconnect, ...comeback } : { reconnect }))
}
