import type { WebSocketConnection } from '../connection/connection.ts'
import type { DeflateParams } from '../connection/compression/deflate.ts'
import type { PreparedMessage } from '../connection/write/prepared-message.ts'
import { SharedFrames } from '../connection/write/shared-frames.ts'

/** Receivers who get the same bytes. */
interface Group {
  readonly deflate: DeflateParams | undefined
  readonly frames: SharedFrames
  members: number
}

/**
 * The broadcasts of one turn to the same receivers. Those who have nothing else to send share what they get, so that another
 * broadcast costs nothing for each of them; the others get every message on their own.
 */
export class BroadcastGroup {
  readonly targets: Iterable<WebSocketConnection>
  readonly others: WebSocketConnection[] = []
  /** How many connections share. */
  sharing = 0
  readonly #groups: Group[] = []

  /** Begins with a message: whoever can share it has got it. */
  constructor(message: PreparedMessage, targets: Iterable<WebSocketConnection>) {
    this.targets = targets
    let group: Group | undefined
    for (const ws of targets) {
      const { deflate, writer } = ws.session
      if (group === undefined || group.deflate !== deflate) group = this.#groupOf(message, deflate)
      if (group.frames.isOpen && writer.attachShared(group.frames)) group.members++
      else this.others.push(ws)
    }
    for (const { members } of this.#groups) this.sharing += members
  }

  /** True where a message can be added for all who share. */
  takes(message: PreparedMessage): boolean {
    return this.#groups.every(
      ({ deflate, frames, members }) => members === 0 || frames.takes(message.frameFor(deflate))
    )
  }

  /** Adds a message for all who share. Says how many these are. */
  add(message: PreparedMessage): number {
    for (const { deflate, frames } of this.#groups) frames.add(message.frameFor(deflate))
    return this.sharing
  }

  #groupOf(message: PreparedMessage, deflate: DeflateParams | undefined): Group {
    const existing = this.#groups.find((group) => group.deflate === deflate)
    if (existing !== undefined) return existing
    const group = { deflate, frames: new SharedFrames(), members: 0 }
    const frame = message.frameFor(deflate)
    if (group.frames.takes(frame)) group.frames.add(frame)
    else group.frames.close()
    this.#groups.push(group)
    return group
  }
}
