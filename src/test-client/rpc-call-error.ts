import { ContractError } from '../contract/contract-error.ts'
import { type RpcError, RpcErrorCode } from '../rpc/json-rpc.ts'

/** The server has answered a call with an error that is none of the contract, such as -32602 for an input that does not fit. */
export class RpcCallError extends Error {
  override readonly name = 'RpcCallError'
  /** The code of JSON-RPC. */
  readonly code: number
  /** For -32602, what is wrong with the input: `[{ path, message }]`. */
  readonly data: unknown

  constructor({ code, message, data }: RpcError) {
    super(`${message} (${code})${data === undefined ? '' : `: ${JSON.stringify(data)}`}`)
    this.code = code
    this.data = data
  }
}

/** The error that a call rejects with. @param codes those of the contract. */
export function callErrorOf(error: RpcError, codes: readonly string[]): Error {
  const own = (error.data as { code?: unknown } | undefined)?.code
  return error.code === RpcErrorCode.Contract && typeof own === 'string' && codes.includes(own)
    ? new ContractError(own, error.message, error.data as object)
    : new RpcCallError(error)
}
