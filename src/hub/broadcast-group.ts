import type { WebSocketConnection } from '../connection/connection.ts'
import type { DeflateParams } from '../connection/compression/deflate.ts'
import type { PreparedMessage } from '../connection/write/prepared-message.ts'
import { SharedFrames } from '../connection/write/shared-frames.ts'

/** The frames in one encoding, plain or compressed, and how many recipients share them. */
interface Encoding {
  readonly deflate: DeflateParams | undefined
  readonly frames: SharedFrames
  recipientCount: number
}

/**
 * The broadcasts of one turn of the event loop to the same recipients. Recipients with nothing else to send share the frames, so
 * that a further broadcast costs nothing per recipient. The others must be sent each message separately.
 */
export class BroadcastGroup {
  /** Compared by identity: a broadcast to another iterable does not belong to the group. */
  readonly recipients: Iterable<WebSocketConnection>
  /** The recipients that do not share the frames. */
  readonly others: WebSocketConnection[] = []
  /** How many recipients share the frames. */
  sharingCount = 0
  readonly #encodings: Encoding[] = []

  /** Sends the first message to all recipients that can share it. */
  constructor(message: PreparedMessage, recipients: Iterable<WebSocketConnection>) {
    this.recipients = recipients
    let encoding: Encoding | undefined
    for (const ws of recipients) {
      const { deflate, writer } = ws.session
      if (encoding === undefined || encoding.deflate !== deflate) encoding = this.#findOrAddEncoding(message, deflate)
      if (encoding.frames.isOpen && writer.attachShared(encoding.frames)) encoding.recipientCount++
      else this.others.push(ws)
    }
    for (const { recipientCount } of this.#encodings) this.sharingCount += recipientCount
  }

  /** True if the message can be added for all recipients that share. */
  takes(message: PreparedMessage): boolean {
    return this.#encodings.every(
      ({ deflate, frames, recipientCount }) => recipientCount === 0 || frames.takes(message.frameFor(deflate))
    )
  }

  /** Sends a further message to all recipients that share. Returns how many these are. */
  add(message: PreparedMessage): number {
    for (const { deflate, frames } of this.#encodings) frames.add(message.frameFor(deflate))
    return this.sharingCount
  }

  #findOrAddEncoding(message: PreparedMessage, deflate: DeflateParams | undefined): Encoding {
    const existing = this.#encodings.find((encoding) => encoding.deflate === deflate)
    if (existing !== undefined) return existing
    const encoding = { deflate, frames: new SharedFrames(), recipientCount: 0 }
    const frame = message.frameFor(deflate)
    if (encoding.frames.takes(frame)) encoding.frames.add(frame)
    else encoding.frames.close()
    this.#encodings.push(encoding)
    return encoding
  }
}
