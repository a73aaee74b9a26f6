/** A copy with memory of its own. `Buffer.from` would take it from a pool, which one kept copy keeps in memory as a whole. */
export function unpooledCopy(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy
}
