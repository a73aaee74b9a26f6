import type { FastifyRequest } from 'fastify'

/** Names of query parameters whose values are usually secrets. */
const SECRETS =
  /^(.*[-_])?(token|ticket|auth|authorization|bearer|jwt|session|sid|secret|password|passwd|pwd|signature|sig|code|(api)?[-_]?key|apikey)$/i

/** Replaces the secrets in the query string of a URL: `/ws?room=a&token=…` becomes `/ws?room=a&token=[redacted]`. */
export function redactUrl(url: string): string {
  const start = url.indexOf('?')
  if (start === -1) return url
  const parameters = url
    .slice(start + 1)
    .split('&')
    .map((parameter) => {
      const [name = ''] = parameter.split('=')
      return isSecret(name) ? `${name}=[redacted]` : parameter
    })
  return `${url.slice(0, start)}?${parameters.join('&')}`
}

/** The name may be percent-encoded. If it cannot be decoded, the value counts as a secret. */
function isSecret(name: string): boolean {
  try {
    return SECRETS.test(decodeURIComponent(name))
  } catch {
    return true
  }
}

/**
 * A serializer for Fastify's logger. It logs requests as Fastify does, but without the secrets in the query string:
 * `Fastify({ logger: { serializers: { req: redactRequest } } })`.
 */
export function redactRequest(request: FastifyRequest): Record<string, unknown> {
  return {
    method: request.method,
    url: redactUrl(request.url),
    host: request.host,
    remoteAddress: request.ip,
    remotePort: request.socket?.remotePort
  }
}
