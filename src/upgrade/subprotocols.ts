import { errors } from '../internal/errors.ts'
import { isToken } from '../internal/token.ts'

/**
 * The first of the server's subprotocols that the client offers; `''` if there is none (RFC 6455, 1.9 and 4.2.2).
 *
 * @throws FST_BLAZE_WS_BAD_HANDSHAKE if the header is not a list of different tokens.
 */
export function chooseProtocol(header: string | undefined, supported: readonly string[]): string {
  if (header === undefined) return ''
  const offered = header.split(',').map((name) => name.trim())
  const isValid = offered.every(isToken) && new Set(offered).size === offered.length
  if (!isValid) throw new errors.BAD_HANDSHAKE('Sec-WebSocket-Protocol is malformed')
  return supported.find((name) => offered.includes(name)) ?? ''
}
