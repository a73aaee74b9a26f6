import type { FastifyRequest } from 'fastify'
import { shared } from '../internal/package-copies.ts'
import { invalidOption } from '../internal/errors.ts'

export type CheckOrigin = (request: FastifyRequest) => boolean | Promise<boolean>

/** The default of `checkOrigin`: allows every origin, and requests without an origin. */
export const allowAllOrigins: (request: FastifyRequest) => boolean = shared('allow-all-origins', () => () => true)

/** The log of a refusal lists this many allowed origins at most. */
const MAX_LISTED = 20
/** It shows this many characters of a value that the client has sent. */
const MAX_LOGGED = 256

/** Returns what a check compares the origin with, for the log of its refusals. */
type Explanation = (request: FastifyRequest) => Record<string, unknown>

const explanations = shared('origin-explanations', () => new WeakMap<CheckOrigin, Explanation>())

/** What to log with a refusal by this check, if the check is one of ours. */
export function explanationOf(check: CheckOrigin, request: FastifyRequest): Record<string, unknown> | undefined {
  return explanations.get(check)?.(request)
}

/**
 * Returns a `checkOrigin` that allows pages from the server's own origin: same scheme, host and port (RFC 6454). Behind a
 * proxy, set Fastify's `trustProxy`, so that Fastify knows the scheme and the host that the browser used. A request without an
 * `Origin` header does not come from a web page and is allowed. `Origin: null` is refused.
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

/** Explains a refusal behind a proxy: without `trustProxy`, Fastify does not know the origin that the browser sees. */
function proxyHint(request: FastifyRequest): string | undefined {
  const { forwarded, 'x-forwarded-host': host, 'x-forwarded-proto': protocol } = request.headers
  if (host === undefined && protocol === undefined && forwarded === undefined) return undefined
  // Requests have this property only if `trustProxy` is set.
  if (!('ips' in request))
    return "the request came through a proxy and trustProxy is off: set Fastify's trustProxy, so that Fastify knows the scheme and host that the browser used"
  return 'the request came through a proxy: if expected is not the origin that the browser sees, look at trustProxy and at the X-Forwarded-Host and X-Forwarded-Proto headers of the proxy'
}

/**
 * Returns a `checkOrigin` that allows the listed origins. Scheme, host and port must match. `https://*.example.com` matches
 * subdomains at any depth, but not `https://example.com`. A request without an `Origin` header does not come from a web page and
 * is allowed. `Origin: null` is refused.
 *
 * @throws FST_BLAZE_WS_INVALID_OPTION if an entry is not an origin.
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

/** Shortens a value that a client has sent. */
export function cut(text: string): string {
  return text.length > MAX_LOGGED ? `${text.slice(0, MAX_LOGGED)}…` : text
}

function matches(wildcard: { scheme: string; suffix: string; port: string }, origin: URL): boolean {
  return (
    origin.protocol === wildcard.scheme &&
    origin.port === wildcard.port &&
    origin.hostname.length > wildcard.suffix.length &&
    origin.hostname.endsWith(wildcard.suffix)
  )
}

/** Parses a serialized origin: a scheme, a host and perhaps a port. Returns undefined for anything else. */
function parseOrigin(value: unknown): URL | undefined {
  if (typeof value !== 'string' || !/^[a-z][a-z0-9+.-]*:\/\/[^/?#@\\\s*]+$/i.test(value) || !URL.canParse(value))
    return undefined
  const url = new URL(value)
  return url.origin === 'null' ? undefined : url
}
