import type { CloseInfo } from '../internal/close-codes.ts'
import { isFinalCode } from '../rpc/final-codes.ts'
import { RpcMethod } from '../rpc/json-rpc.ts'
import { notificationText } from '../rpc/texts.ts'

/** A client that was merely silent did not break a rule, although its connection is closed with 1008. */
const SILENT = 'read timeout'

/** What a client is told before the server closes its connection. */
export function goodbyeText({ code, reason }: CloseInfo): string {
  const reconnect = reason === SILENT || !isFinalCode(code)
  return notificationText(RpcMethod.Goodbye, JSON.stringify({ reconnect }))
}
