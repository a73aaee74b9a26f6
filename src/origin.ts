import type { FastifyRequest } from 'fastify'
import { invalidOption } from './errors.ts'

/** The default of `checkOrigin`: every origin, and none, may connect. */
export function allowAllOrigins(): boolean {
  return true
}

/**
 * A `checkOrigin` that allows pages of the host the request was sent to: same scheme, host and port (RFC 6454). Behind a
 * proxy, set Fastify's `trustProxy`, so that scheme and host are those the browser used. A request without an `Origin`
 * header does not come from a page and is allowed; `Origin: null` is refused.
 */
export function sameOrigin(): (request: FastifyRequest) => boolean {
  return (request) => {
    if (request.headers.origin === undefined) return true
    const origin = parseOrigin(request.headers.origin)
    return origin !== undefined && origin.origin === parseOrigin(`${request.protocol}://${request.host}`)?.origin
  }
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
    if (url === undefined) throw invalidOption('origins', "must hold origins such as 'https://example.com' or 'https://*.example.com'", entry)
    if (prefix === '') exact.add(url.origin)
    else wildcards.push({ scheme: url.protocol, suffix: `.${url.hostname}`, port: url.port })
  }
  return (request) => {
    if (request.headers.origin === undefined) return true
    const origin = parseOrigin(request.headers.origin)
    if (origin === undefined) return false
    return exact.has(origin.origin) || wildcards.some((wildcard) => matches(wildcard, origin))
  }
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
  if (typeof value !== 'string' || !/^[a-z][a-z0-9+.-]*:\/\/[^/?#@\\\s*]+$/i.test(value) || !URL.canParse(value)) return undefined
  const url = new URL(value)
  return url.origin === 'null' ? undefined : url
}
