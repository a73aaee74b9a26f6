/** The code for an authority that has expired or was refused. The client gets a new one and comes back. */
export const UNAUTHORIZED = 4401

/**
 * 1000 normal closure, 1002 protocol error, 1003 unsupported data, 1007 invalid payload, 1008 policy violation, 1009 message too
 * big, 1010 mandatory extension. To come back would only bring the same end.
 */
const FINAL: ReadonlySet<number> = new Set([1000, 1002, 1003, 1007, 1008, 1009, 1010])

/** True for a close code after which a client does not come back, unless it is told to. */
export function isFinalCode(code: number): boolean {
  return FINAL.has(code) || (code >= 4400 && code <= 4499 && code !== UNAUTHORIZED)
}
