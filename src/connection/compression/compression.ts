import type { WebSocketConfig } from '../../config/route-config.ts'
import { type DeflateParams, deflateParams } from './deflate.ts'

/** What client and server have agreed on in the opening handshake. */
export interface Negotiated {
  /** The subprotocol; `''` if there is none. */
  readonly protocol: string
  /** The window for permessage-deflate (RFC 7692, 7.1.2.1), as an exponent of two; undefined if it is not used. */
  readonly windowBits: number | undefined
}

/** How to compress messages to the client; undefined if they are not compressed. */
export function deflateFor({ windowBits }: Negotiated, config: WebSocketConfig): DeflateParams | undefined {
  // zlib supports no window of 256 bytes, and a server may send any message uncompressed (RFC 7692, 6).
  if (windowBits === undefined || windowBits === 8) return undefined
  return deflateParams(config.compressionLevel, windowBits, config.compressionThreshold)
}
