// Messages pass between processes and threads in batches, because each piece that is sent costs more than its bytes. A batch is one
// record after the other: the lengths of channel and message (2 and 4 bytes), the channel in UTF-8, the message.

const HEADER = 6
/** A batch with this many bytes is sent at once. */
export const FULL_BATCH = 64 * 1024
/** What a batch that waits costs besides its bytes. With short messages, that is most of what a process keeps. */
const BATCH_COST = 2 * 1024

/** One message with its channel. The caller may change the bytes of the message afterwards. */
export function recordOf(channel: string, message: Uint8Array): Buffer {
  const channelLength = Buffer.byteLength(channel)
  const record = Buffer.allocUnsafe(HEADER + channelLength + message.length)
  record.writeUInt16BE(channelLength, 0)
  record.writeUInt32BE(message.length, 2)
  record.write(channel, HEADER)
  record.set(message, HEADER + channelLength)
  return record
}

/** Calls `use` for each record of a batch, with views of its bytes. What is not a record ends it. */
export function readBatch(batch: Buffer, use: (channel: string, message: Buffer, record: Buffer) => void): void {
  for (let start = 0; start + HEADER <= batch.length;) {
    const from = start + HEADER + batch.readUInt16BE(start)
    const end = from + batch.readUInt32BE(start + 2)
    if (end > batch.length) return
    use(batch.toString('utf8', start + HEADER, from), batch.subarray(from, end), batch.subarray(start, end))
    start = end
  }
}

/** The messages that leave together, and the promise that they share. */
export class Batch {
  readonly sent: Promise<void>
  readonly #records: Buffer[] = []
  resolve!: () => void
  reject!: (error: Error) => void
  length = 0

  constructor() {
    this.sent = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    // Each caller of `publish` has the promise, and a publisher may drop it.
    this.sent.catch(() => {})
  }

  /** About how many bytes of memory it takes while it waits. */
  get cost(): number {
    return this.length === 0 ? 0 : BATCH_COST + this.length
  }

  add(channel: string, message: Uint8Array): void {
    const record = recordOf(channel, message)
    this.#records.push(record)
    this.length += record.length
  }

  /** All records in memory of their own: a clone of a view would copy the whole pool that it is a part of. */
  bytes(): Buffer {
    const bytes = Buffer.allocUnsafeSlow(this.length)
    let at = 0
    for (const record of this.#records) {
      bytes.set(record, at)
      at += record.length
    }
    return bytes
  }
}
