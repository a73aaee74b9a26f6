import type { IncomingMessage } from 'node:http'
import type { FastifyReply } from 'fastify'
import { errors } from '../internal/errors.ts'

/** 16 bytes in base64. */
const KEY = /^[+/0-9A-Za-z]{22}==$/

/** Throws if the request is not a valid opening handshake (RFC 6455, 4.2.1). */
export function assertHandshake({ headers, httpVersion }: IncomingMessage, reply: FastifyReply): void {
  if (httpVersion !== '1.1') throw new errors.BAD_HANDSHAKE('HTTP/1.1 is required')
  if (headers.host === undefined) throw new errors.BAD_HANDSHAKE('Host is missing')
  if (headers.upgrade?.toLowerCase() !== 'websocket') throw new errors.BAD_HANDSHAKE('Upgrade must be websocket')
  if (!KEY.test(headers['sec-websocket-key'] ?? ''))
    throw new errors.BAD_HANDSHAKE('Sec-WebSocket-Key must be 16 bytes in base64')
  if (headers['sec-websocket-version'] === '13') return
  // RFC 6455, 4.4 and RFC 9110, 15.5.22: the response names the version and protocol that the server accepts.
  void reply.headers({ 'sec-websocket-version': '13', upgrade: 'websocket' })
  throw new errors.UNSUPPORTED_VERSION()
}
