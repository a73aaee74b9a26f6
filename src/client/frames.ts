import type { Id, RpcError } from '../rpc/json-rpc.ts'
import { notificationText, requestText } from '../rpc/texts.ts'

/** What the server sends: a response, a request with an id, or a notification. Published messages have a room and an offset. */
export interface Message {
  readonly id?: Id
  readonly method?: string
  readonly params?: unknown
  readonly result?: unknown
  readonly error?: RpcError
  readonly room?: string
  readonly offset?: number
}

/**
 * The text of an event, or of a call if there is an id. It may belong to a trace.
 *
 * @throws TypeError if the data is not what JSON-RPC carries.
 */
export function textOf(method: string, data: unknown, traceparent: unknown, id?: string): string {
  const params = JSON.stringify(data) as string | undefined
  if (data !== undefined && !/^[[{]/.test(String(params)))
    throw new TypeError(`the data of ${method} must be an object, an array or undefined`)
  const text = id === undefined ? notificationText(method, params) : requestText(id, method, params)
  // A mistake in tracing must not break anything: a function, for example, has no JSON form.
  return typeof traceparent !== 'string' ? text : `${text.slice(0, -1)},"traceparent":${JSON.stringify(traceparent)}}`
}

/** The messages in a frame. What cannot be read is no message. */
export function messagesIn(frame: unknown): Message[] {
  if (typeof frame !== 'string') return []
  try {
    const value: unknown = JSON.parse(frame)
    return (Array.isArray(value) ? value : [value]).filter(isObject)
  } catch {
    return []
  }
}

function isObject(value: unknown): value is Message {
  return typeof value === 'object' && value !== null
}
