import { validateHeaderName, validateHeaderValue } from 'node:http'
import type { FastifyReply } from 'fastify'

/** Headers that the handshake itself sets, and headers that belong to a body. */
const UNSENT_HEADERS = /^(connection|upgrade|keep-alive|transfer-encoding|content-.*|sec-websocket-.*)$/

/** The headers that hooks have set on the reply, such as cookies. They are sent with the 101. */
export function headerLines(reply: FastifyReply): string[] {
  const lines: string[] = []
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value === undefined || UNSENT_HEADERS.test(name)) continue
    for (const one of [value].flat()) lines.push(headerLine(reply, name, String(one)))
  }
  return lines
}

/** Throws if Node would refuse the header, and removes it, so that the error response can be sent. */
function headerLine(reply: FastifyReply, name: string, value: string): string {
  try {
    validateHeaderName(name)
    validateHeaderValue(name, value)
  } catch (error) {
    void reply.removeHeader(name)
    throw error
  }
  return `${name}: ${value}`
}
