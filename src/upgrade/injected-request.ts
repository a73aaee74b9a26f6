import { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** The host of a request without a `Host` header, as in Fastify's `inject`. */
const HOST = 'localhost:80'

/**
 * Returns a request as Node would make it for an upgrade. `injectWS` makes a bare object, and Fastify and many hooks fail with
 * that: they listen to the request's events, read its body and look at its socket.
 */
export function asNodeRequest(given: IncomingMessage, stream: Duplex): IncomingMessage {
  if (typeof (given as Partial<IncomingMessage>).on === 'function') return given
  const request = new IncomingMessage((given as Partial<IncomingMessage>).socket ?? (stream as Socket))
  Object.assign(request, given, {
    socket: request.socket,
    headers: headersOf(given),
    httpVersionMajor: 1,
    httpVersionMinor: 1,
    complete: true
  })
  // Ends the body, which is empty.
  request.push(null)
  return request
}

/** Node's headers are always strings. `injectWS` passes the version as a number. */
function headersOf({ headers }: IncomingMessage): IncomingMessage['headers'] {
  const texts = Object.entries(headers).map(([name, value]) => [
    name.toLowerCase(),
    typeof value === 'number' ? String(value) : value
  ])
  return { host: HOST, ...Object.fromEntries(texts) }
}
