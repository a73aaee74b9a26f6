import type { Position } from '../rpc/position.ts'
import type { SocketClass } from './socket.ts'
import type { ConnectOptions } from './types.ts'

/** The options of a client, complete. */
export interface Settings {
  url(): unknown
  auth(): unknown
  traceparent(): unknown
  readonly positions: Readonly<Record<string, Position>> | undefined
  /** The limits of the wait before an attempt. */
  readonly min: number
  readonly max: number
  readonly timeout: number
  readonly WebSocket: SocketClass
}

/** @throws TypeError that names the option. */
export function settingsOf(options: ConnectOptions): Settings {
  const { url, auth = nothing, traceparent = nothing, positions, reconnect = {}, timeout = 30_000 } = options
  const { min = 500, max = 30_000 } = reconnect
  const { WebSocket = (globalThis as { WebSocket?: SocketClass }).WebSocket } = options
  assert(Boolean(url), 'url', 'a string or a function, as in connect({ url })')
  assert(typeof auth === 'function', 'auth', 'a function')
  assert(typeof traceparent === 'function', 'traceparent', 'a function')
  assert(min > 0 && max > 0, 'reconnect', '{ min, max } in milliseconds, more than 0')
  assert(timeout > 0, 'timeout', 'more than 0 ms')
  assert(
    WebSocket !== undefined,
    'WebSocket',
    'a class, such as that of the package ws, because there is no global one'
  )
  return {
    url: typeof url === 'function' ? url : () => url,
    auth,
    traceparent,
    positions,
    min,
    max,
    timeout,
    WebSocket
  }
}

function nothing(): undefined {}

function assert(condition: boolean, option: string, expected: string): asserts condition {
  if (!condition) throw new TypeError(`the option ${option} must be ${expected}`)
}
