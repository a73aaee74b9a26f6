import type { RpcError } from '../rpc/json-rpc.ts'

/** The server has rejected an event, a call or an `auth`: its data is invalid, nobody knows its name, or the server has failed. */
export class RejectedError extends Error {
  override readonly name = 'RejectedError'
  /** The name of the event or call; `rpc.hello` for an `auth`. */
  readonly method: string
  /** The code of JSON-RPC, such as -32602 for data that does not fit its schema. */
  readonly code: number
  /** More about the error. For -32602, a list of `{ path, message }`. */
  readonly data: unknown

  constructor(method: string, { code, message, data }: RpcError) {
    super(`${method}: ${message}${detailOf(data)}`)
    this.method = method
    this.code = code
    this.data = data
  }
}

/** The first of what is wrong with the data. */
function detailOf(data: unknown): string {
  const { path, message }: { path?: unknown; message?: unknown } = (Array.isArray(data) ? data[0] : undefined) ?? {}
  return typeof path === 'string' && typeof message === 'string' ? ` (${path || 'data'}: ${message})` : ''
}
