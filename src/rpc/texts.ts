import { type Id, type RpcError } from './json-rpc.ts'

/*
 * The text of everything that the server sends. The parameters and results are JSON already: they were checked and serialized
 * before.
 */

/** An event, or a notification of this package. */
export function notificationText(method: string, params: string | undefined): string {
  return params === undefined
    ? `{"jsonrpc":"2.0","method":${JSON.stringify(method)}}`
    : `{"jsonrpc":"2.0","method":${JSON.stringify(method)},"params":${params}}`
}

export function requestText(id: string | number, method: string, params: string | undefined): string {
  const rest = params === undefined ? '' : `,"params":${params}`
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"method":${JSON.stringify(method)}${rest}}`
}

export function resultText(id: Id, result: string | undefined): string {
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result ?? 'null'}}`
}

export function errorText(id: Id, error: RpcError): string {
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"error":${JSON.stringify(error)}}`
}
