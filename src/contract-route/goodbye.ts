import { CloseCode, type CloseInfo } from '../internal/close-codes.ts'
import { RpcMethod } from '../rpc/json-rpc.ts'
import { notificationText } from '../rpc/texts.ts'

/** The code for an authority that has expired or was refused. The client gets a new one and comes back. */
export const UNAUTHORIZED = 4401

/** Codes after which a client does not come back, unless it is told to. */
const FINAL: ReadonlySet<number> = new Set([
  CloseCode.NormalClosure,
  CloseCode.ProtocolError,
  CloseCode.UnsupportedData,
  CloseCode.InvalidFramePayloadData,
  CloseCode.PolicyViolation,
  CloseCode.MessageTooBig,
  CloseCode.MandatoryExtension
])

/** A client that was merely silent did not break a rule, although its connection is closed with 1008. */
const SILENT = 'read timeout'

/** What a client is told before the server closes its connection. */
export function goodbyeText({ code, reason }: CloseInfo): string {
  return notificationText(RpcMethod.Goodbye, JSON.stringify({ reconnect: mayReconnect(code, reason) }))
}

function mayReconnect(code: number, reason: string): boolean {
  if (code === UNAUTHORIZED || reason === SILENT) return true
  return !FINAL.has(code) && !(code >= 4400 && code <= 4499)
}
