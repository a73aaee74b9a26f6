// A Redis Cluster divides channels among its servers by slots. The libraries do not export how they compute them.

const POLYNOMIAL = 0x1021
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ (crc & 0x8000 ? POLYNOMIAL : 0)
  return crc
})
/** How many slots a Redis Cluster has. */
export const SLOTS = 16_384

/** The slot of a channel in a Redis Cluster: CRC16 (XMODEM) of its name, or of the part in its first braces if that is not empty. */
export function slotOf(channel: string): number {
  const bytes = Buffer.from(channel)
  const start = bytes.indexOf('{')
  const end = start < 0 ? -1 : bytes.indexOf('}', start + 1)
  return crc16(end > start + 1 ? bytes.subarray(start + 1, end) : bytes) % SLOTS
}

function crc16(bytes: Uint8Array): number {
  let crc = 0
  for (const byte of bytes) crc = ((crc << 8) & 0xffff) ^ (TABLE[(crc >> 8) ^ byte] as number)
  return crc
}
