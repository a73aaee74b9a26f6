import type { FastifyRequest } from 'fastify'
import { shared } from '../internal/copies.ts'
import { describe, invalidOption } from '../internal/errors.ts'

type CheckOrigin = (request: FastifyRequest) => boolean | Promise<boolean>

/** The default of `checkOrigin`: every origin, and none, may connect. */
export const allowAllOrigins: (request: FastifyRequest) => boolean = shared('allow-all-origins', () => () => true)

/** How many allowed origins are logged with a refusal, and how much of what a client has sent, in characters. */
const MAX_LISTED = 20
const MAX_LOGGED = 256

/** What a check compares the origin with, for the log of its refusals. */
type Explanation = (request: FastifyRequest) => Record<string, unknown>

const explanations = shared('origin-explanations', () => new WeakMap<CheckOrigin, Explanation>())

/**
 * A `checkOrigin` that allows pages of the host the request was sent to: same scheme, host and port (RFC 6454). Behind a
 * proxy, set Fastify's `trustProxy`, so that scheme and host are those the browser used. A request without an `Origin`
 * header does not come from a page and is allowed; `Origin: null` is refused.
 */
export function sameOrigin(): (request: FastifyRequest) => boolean {
  return isSameOrigin
}

function isSameOrigin(request: FastifyRequest): boolean {
  if (request.headers.origin === undefined) return true
  const origin = parseOrigin(request.headers.origin)
  return origin !== undefined && origin.origin === parseOrigin(ownOrigin(request))?.origin
}
explanations.set(isSameOrigin, (request) => ({ expected: cut(ownOrigin(request)), hint: proxyHint(request) }))

function ownOrigin({ protocol, host }: FastifyRequest): string {
  return `${protocol}://${host}`
}

/** Behind a proxy that Fastify does not trust, the origin of this server is not the one that the browser knows. */
function proxyHint(request: FastifyRequest): string | undefined {
  const { forwarded, 'x-forwarded-host': host, 'x-forwarded-proto': protocol } = request.headers
  if (host === undefined && protocol === undefined && forwarded === undefined) return undefined
  // Only requests of a server with trustProxy have it.
  if (!('ips' in request))
    return "the request came through a proxy and trustProxy is off: set Fastify's trustProxy, so that the scheme and host of the browser are known"
  return 'the request came through a proxy: where expected is not the origin that the browser sees, look at trustProxy and at what the proxy sends as X-Forwarded-Host and X-Forwarded-Proto'
}

/**
 * A `checkOrigin` that allows the origins listed, exact on scheme, host and port. `https://*.example.com` stands for every
 * subdomain, at any depth, and not for `https://example.com`. A request without an `Origin` header does not come from a page
 * and is allowed; `Origin: null` is refused.
 *
 * @throws FST_BLAZE_WS_INVALID_OPTION where an entry is no origin.
 */
export function allowOrigins(origins: readonly string[]): (request: FastifyRequest) => boolean {
  if (!Array.isArray(origins)) throw invalidOption('origins', 'must be an array of origins', origins)
  const exact = new Set<string>()
  const wildcards: { scheme: string; suffix: string; port: string }[] = []
  for (const entry of origins as readonly unknown[]) {
    const [, prefix = '', host = ''] = (typeof entry === 'string' && /^([a-z]+:\/\/)\*\.(.+)$/i.exec(entry)) || []
    const url = parseOrigin(prefix === '' ? entry : prefix + host)
    if (url === undefined)
      throw invalidOption(
        'origins',
        "must hold origins such as 'https://example.com' or 'https://*.example.com'",
        entry
      )
    if (prefix === '') exact.add(url.origin)
    else wildcards.push({ scheme: url.protocol, suffix: `.${url.hostname}`, port: url.port })
  }
  const check = (request: FastifyRequest): boolean => {
    if (request.headers.origin === undefined) return true
    const origin = parseOrigin(request.headers.origin)
    if (origin === undefined) return false
    return exact.has(origin.origin) || wildcards.some((wildcard) => matches(wildcard, origin))
  }
  const allowed = origins.slice(0, MAX_LISTED)
  const more = origins.length - allowed.length
  explanations.set(check, () => (more > 0 ? { allowed, more } : { allowed }))
  return check
}

function cut(text: string): string {
  return text.length > MAX_LOGGED ? `${text.slice(0, MAX_LOGGED)}…` : text
}

/** The same check, which says in the request's log whom it refuses, and why. */
export function loggingRefusals(check: CheckOrigin): CheckOrigin {
  const note = (request: FastifyRequest, isAllowed: boolean): boolean => {
    if (isAllowed !== true) logRefusal(request, check, isAllowed)
    return isAllowed
  }
  return (request) => {
    const answer = check(request)
    if (typeof (answer as Partial<Promise<boolean>> | undefined | null)?.then !== 'function')
      return note(request, answer as boolean)
    return Promise.resolve(answer).then((isAllowed) => note(request, isAllowed))
  }
}

function logRefusal(request: FastifyRequest, check: CheckOrigin, answer: unknown): void {
  const { origin } = request.headers
  const details = { origin: origin && cut(origin), ...explanations.get(check)?.(request), ...mistakeIn(answer) }
  request.log.info(details, 'websocket refused with 403: checkOrigin does not allow its origin')
}

/** A check that forgets its `return` refuses everybody: the log says so. */
function mistakeIn(answer: unknown): { hint?: string } {
  return typeof answer === 'boolean' ? {} : { hint: `checkOrigin must return true or false, got ${describe(answer)}` }
}

function matches(wildcard: { scheme: string; suffix: string; port: string }, origin: URL): boolean {
  return (
    origin.protocol === wildcard.scheme &&
    origin.port === wildcard.port &&
    origin.hostname.length > wildcard.suffix.length &&
    origin.hostname.endsWith(wildcard.suffix)
  )
}

/** Parses a serialized origin: a scheme, a host and perhaps a port, and nothing else. */
function parseOrigin(value: unknown): URL | undefined {
  if (typeof value !== 'string' || !/^[a-z][a-z0-9+.-]*:\/\/[^/?#@\\\s*]+$/i.test(value) || !URL.canParse(value))
    return undefined
  const url = new URL(value)
  return url.origin === 'null' ? undefined : url
}
