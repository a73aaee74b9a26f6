import { errors } from '../internal/errors.ts'
import { TOKEN } from '../internal/token.ts'

/** The offers of Chrome and Firefox. */
const USUAL = /^permessage-deflate(; client_max_window_bits)?$/
/** A name and parameters, all of them tokens (RFC 6455, 9.1). */
const OFFER = new RegExp(`^${TOKEN}(?:\\s*;\\s*${TOKEN}(?:\\s*=\\s*(?:${TOKEN}|"${TOKEN}"))?)*$`)
/** A parameter of permessage-deflate with a value that it may have in an offer (RFC 7692, 7.1). */
const PARAMETER =
  /^(server_no_context_takeover|client_no_context_takeover|server_max_window_bits=(?:[89]|1[0-5])|client_max_window_bits(?:=(?:[89]|1[0-5]))?)$/
const MAX_WINDOW_BITS = 15

/** The permessage-deflate that the server accepts. */
export interface AcceptedDeflate {
  /** The value of the response header. */
  readonly response: string
  /** The window for messages to the client, as an exponent of two. */
  readonly windowBits: number
}

const ACCEPTED = 'permessage-deflate; server_no_context_takeover; client_no_context_takeover'
const USUAL_DEFLATE: AcceptedDeflate = { response: ACCEPTED, windowBits: MAX_WINDOW_BITS }

/**
 * Accepts the first valid offer of permessage-deflate. An offer with an unknown, repeated or invalid parameter must be declined
 * (RFC 7692, 5 and 7); the server can accept another one, or none.
 *
 * @throws FST_BLAZE_WS_BAD_HANDSHAKE if the header breaks the grammar of RFC 6455, 9.1.
 */
export function acceptDeflate(header: string | undefined): AcceptedDeflate | undefined {
  if (header === undefined) return undefined
  if (USUAL.test(header)) return USUAL_DEFLATE
  const offers = header.split(',').map((offer) => offer.trim())
  if (!offers.every((offer) => OFFER.test(offer)))
    throw new errors.BAD_HANDSHAKE('Sec-WebSocket-Extensions is malformed')
  for (const offer of offers) {
    const parameters = parametersOf(offer)
    if (parameters !== undefined) return accept(parameters)
  }
  return undefined
}

/** The parameters of a valid offer of permessage-deflate; undefined for any other. */
function parametersOf(offer: string): Map<string, string | undefined> | undefined {
  const [name, ...given] = offer.split(';').map((part) => part.trim())
  if (name !== 'permessage-deflate') return undefined
  const plain = given.map((parameter) => parameter.replace(/^([^=\s]+)\s*=\s*"?([^"]*)"?$/, '$1=$2'))
  const parameters = new Map(plain.map((parameter) => parameter.split('=') as [string, string | undefined]))
  const isValid = parameters.size === plain.length && plain.every((parameter) => PARAMETER.test(parameter))
  return isValid ? parameters : undefined
}

/** The server keeps no context in either direction, and confirms the windows that the client asks for. */
function accept(parameters: Map<string, string | undefined>): AcceptedDeflate {
  const server = parameters.get('server_max_window_bits')
  const client = parameters.get('client_max_window_bits')
  const windows =
    (server === undefined ? '' : `; server_max_window_bits=${server}`) +
    (client === undefined ? '' : `; client_max_window_bits=${client}`)
  return { response: ACCEPTED + windows, windowBits: server === undefined ? MAX_WINDOW_BITS : Number(server) }
}
