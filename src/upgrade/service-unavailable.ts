import type { FastifyError } from '../internal/errors.ts'
import { RETRY_AFTER } from './admission.ts'
import type { Upgrade } from './upgrade.ts'

/** Answers an upgrade with 503 without Fastify: an overloaded or closing server runs no hooks for it. */
export function answerUnavailable({ stream }: Upgrade, error: FastifyError): void {
  const body = JSON.stringify({
    statusCode: 503,
    code: error.code,
    error: 'Service Unavailable',
    message: error.message
  })
  stream.end(
    `HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: ${RETRY_AFTER}\r\n` +
      `Content-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    () => stream.destroy()
  )
}
