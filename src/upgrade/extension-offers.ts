import type { IncomingMessage } from 'node:http'

const HEADER = 'sec-websocket-extensions'
/** The offers of Chrome and Firefox. */
const USUAL = /^permessage-deflate(; client_max_window_bits)?$/
/** A name and parameters, all of them tokens (RFC 6455, 9.1). */
const OFFER =
  /^[\w!#$%&'*+.^`|~-]+(?:\s*;\s*[\w!#$%&'*+.^`|~-]+(?:\s*=\s*(?:[\w!#$%&'*+.^`|~-]+|"[\w!#$%&'*+.^`|~-]+"))?)*$/
/** A parameter of permessage-deflate with a value that it may have in an offer (RFC 7692, 7.1). */
const PARAMETER =
  /^(server_no_context_takeover|client_no_context_takeover|server_max_window_bits=(?:[89]|1[0-5])|client_max_window_bits(?:=(?:[89]|1[0-5]))?)$/

/**
 * Removes the offers from a request that a server must decline because of an unknown, repeated or invalid parameter (RFC 7692,
 * 5 and 7). `ws` would refuse the connection for such an offer. The server must accept another offer, or none.
 */
export function keepValidOffers({ headers }: IncomingMessage): void {
  const offers = headers[HEADER]
  if (offers === undefined || USUAL.test(offers)) return
  const all = offers.split(',').map((offer) => offer.trim())
  // Offers that break the grammar must fail the handshake (RFC 6455, 9.1). `ws` does that.
  if (!all.every((offer) => OFFER.test(offer))) return
  const valid = all.filter((offer) => !isInvalid(offer))
  if (valid.length === 0) delete headers[HEADER]
  else headers[HEADER] = valid.join(', ')
}

/** Offers of other extensions are left alone: `ws` ignores them. */
function isInvalid(offer: string): boolean {
  const [name = '', ...parameters] = offer.split(';').map((part) => part.trim())
  if (name !== 'permessage-deflate') return false
  const plain = parameters.map((parameter) => parameter.replace(/^([^=\s]+)\s*=\s*"?([^"]*)"?$/, '$1=$2'))
  const names = plain.map((parameter) => parameter.split('=')[0])
  return new Set(names).size !== names.length || !plain.every((parameter) => PARAMETER.test(parameter))
}
