import type { FastifyReply, FastifyRequest } from 'fastify'
import { errors } from '../internal/errors.ts'
import { type Checks, nonEmptyString, validateOptions } from '../internal/validate.ts'

/** An `onRequest` hook of Fastify with a callback. */
type OnRequestHook = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => void

const HEADER = 'sec-websocket-protocol'
const CHECKS: Checks<{ prefix?: string }> = { prefix: nonEmptyString }

/**
 * Returns an `onRequest` hook that takes a bearer token from the subprotocols that a client offers. `Sec-WebSocket-Protocol` is
 * the only header that a web page can set: `new WebSocket(url, ['chat', 'bearer.' + token])`. The hook moves the token to
 * `Authorization: Bearer <token>`, where `@fastify/jwt` and others read it, so the token is never selected, echoed or logged. An
 * `Authorization` header that is already there stays.
 *
 * The page must offer a subprotocol of the route as well, because a browser fails the connection if the server selects none. The
 * token may contain only characters that are allowed in a subprotocol, as JWTs and base64url do.
 *
 * @param options.prefix marks the token among the subprotocols. @default 'bearer.'
 * @throws FST_BLAZE_WS_INVALID_OPTION for an unknown option or an empty prefix. The hook itself refuses a token without another
 * subprotocol with FST_BLAZE_WS_BAD_HANDSHAKE (400).
 */
export function bearerSubprotocol(options?: { prefix?: string }): OnRequestHook {
  const { prefix } = validateOptions(options, 'bearerSubprotocol', CHECKS, { prefix: 'bearer.' })
  return (request, _reply, done) => {
    const headers = request.raw.headers as Record<string, string | undefined>
    const offered = (headers[HEADER] ?? '').split(',').map((name) => name.trim())
    const secrets = offered.filter((name) => name.startsWith(prefix))
    if (secrets.length === 0) return done()
    const rest = offered.filter((name) => name !== '' && !name.startsWith(prefix)).join(', ')
    headers[HEADER] = rest
    redactRaw(request.raw.rawHeaders, rest)
    headers['authorization'] ??= `Bearer ${(secrets[0] as string).slice(prefix.length)}`
    done(
      rest === ''
        ? new errors.BAD_HANDSHAKE('offer a subprotocol besides the token, or the browser fails the connection')
        : undefined
    )
  }
}

/** `rawHeaders` contains the token, too. */
function redactRaw(rawHeaders: string[] | undefined, rest: string): void {
  if (rawHeaders === undefined) return
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.toLowerCase() === HEADER) rawHeaders[i + 1] = rest
  }
}
