import { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** The host of a request that names none; the same as in Fastify's `inject`. */
const HOST = 'localhost:80'

/**
 * The request of an upgrade as Node would make it. `injectWS` makes a bare object, on which Fastify and many hooks fail: they
 * listen to the request's events, read its body and look at its socket.
 */
export function completeRequest(given: IncomingMessage, stream: Duplex): IncomingMessage {
  if (typeof (given as Partial<IncomingMessage>).on === 'function') return given
  const request = new IncomingMessage((given as Partial<IncomingMessage>).socket ?? (stream as Socket))
  Object.assign(request, given, {
    socket: request.socket,
    headers: headersOf(given),
    httpVersionMajor: 1,
    httpVersionMinor: 1,
    complete: true
  })
  // It has no body.
  request.push(null)
  return request
}

/** All headers are text over a network. `injectWS` gives the version as a number. */
function headersOf({ headers }: IncomingMessage): IncomingMessage['headers'] {
  const texts = Object.entries(headers).map(([name, value]) => [
    name.toLowerCase(),
    typeof value === 'number' ? String(value) : value
  ])
  return { host: HOST, ...Object.fromEntries(texts) }
}
