/** A published message that is in the store. */
export interface StoredNotice {
  readonly epoch: string
  readonly offset: number
  readonly id: string
  readonly body: Uint8Array
}

/** The longest line before a body: an epoch, an offset and an id, each with a space or an end of line after it. */
const MAX_LINE = 64 + 1 + 16 + 1 + 512 + 1
const LINE = /^(\S{1,64}) (\d{1,16}) (.+)$/s

/** The payload of an envelope of the kind `Stored`: the line `<epoch> <offset> <id>`, and the body of the message. */
export function storedPayload({ epoch, offset, id, body }: StoredNotice): Buffer {
  return Buffer.concat([Buffer.from(`${epoch} ${offset} ${id}\n`), body])
}

/** The message in a payload; undefined if it is malformed. */
export function storedNoticeOf(payload: Buffer): StoredNotice | undefined {
  const end = payload.subarray(0, MAX_LINE).indexOf('\n')
  const [, epoch, offset, id] = LINE.exec(payload.toString('utf8', 0, Math.max(0, end))) ?? []
  if (epoch === undefined || id === undefined || !Number.isSafeInteger(Number(offset))) return undefined
  return { epoch, offset: Number(offset), id, body: payload.subarray(end + 1) }
}
