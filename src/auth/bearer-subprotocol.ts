import type { FastifyReply, FastifyRequest } from 'fastify'
import { errors } from '../internal/errors.ts'
import { type Checks, nonEmptyString, validateOptions } from '../internal/validate.ts'

/** A hook of Fastify with a callback, for `onRequest`. */
type OnRequestHook = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => void

const HEADER = 'sec-websocket-protocol'
const CHECKS: Checks<{ prefix?: string }> = { prefix: nonEmptyString }

/**
 * An `onRequest` hook for browsers, which can send no header but `Sec-WebSocket-Protocol`: of the subprotocols that a client
 * offers, `bearer.<token>` becomes `Authorization: Bearer <token>`, as `@fastify/jwt` and others read it, and is gone from the
 * offer. It is never chosen, echoed or logged. A page writes `new WebSocket(url, ['chat', 'bearer.' + token])`, with a
 * subprotocol of the route beside it: without one a browser fails the connection. The token must be made of the characters of
 * a subprotocol, as those of a JWT or of base64url are. An `Authorization` header that is there already stands.
 *
 * @param options.prefix what marks the token. @default 'bearer.'
 * @throws FST_BLAZE_WS_INVALID_OPTION for an unknown option or a prefix that is no non-empty string. The hook answers with
 * FST_BLAZE_WS_BAD_HANDSHAKE (400) where there is a token without a subprotocol.
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
        ? new errors.BAD_HANDSHAKE('offer a subprotocol beside the token, or a browser fails the connection')
        : undefined
    )
  }
}

/** The headers as they came hold the token, too. */
function redactRaw(rawHeaders: string[] | undefined, rest: string): void {
  if (rawHeaders === undefined) return
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.toLowerCase() === HEADER) rawHeaders[i + 1] = rest
  }
}
