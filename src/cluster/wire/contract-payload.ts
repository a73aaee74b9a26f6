import type { ContractEvent } from '../../contract/definition.ts'

/** The payload of an envelope of the kind `Contract`: the event as JSON, its length in two bytes before it, and the text. */
export function contractPayload({ contract, event }: ContractEvent, text: Buffer): Buffer {
  const head = Buffer.from(JSON.stringify([contract, event]))
  const length = Buffer.allocUnsafe(2)
  length.writeUInt16BE(head.length)
  return Buffer.concat([length, head, text])
}

/** The event and the text in a payload; undefined if it is malformed. */
export function contractEventOf(payload: Buffer): { audience: ContractEvent; text: Buffer } | undefined {
  if (payload.length < 2) return undefined
  const end = 2 + payload.readUInt16BE(0)
  if (end > payload.length) return undefined
  const names = parse(payload.toString('utf8', 2, end))
  if (!Array.isArray(names) || names.length !== 2) return undefined
  const [contract, event] = names as unknown[]
  if (typeof contract !== 'string' || typeof event !== 'string') return undefined
  return { audience: { contract, event }, text: payload.subarray(end) }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
