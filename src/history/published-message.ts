import { PreparedMessage } from '../connection/write/prepared-message.ts'
import { accepts } from '../connection/audience.ts'
import type { Session } from '../connection/session.ts'
import type { ContractEvent } from '../contract/definition.ts'
import { TextMessage } from '../internal/message.ts'
import type { Content } from './content.ts'

/** What a message costs besides its bytes. */
const OVERHEAD = 256

const NOTHING: Content = { type: TextMessage, payload: Buffer.alloc(0), audience: undefined }

/** Where a message is in the stream of its room. */
export interface Place {
  readonly id: string
  readonly offset: number
  /** The name of the room that clients see. */
  readonly label: string
}

/** A message of a stream, as clients get it. An event tells them its room and offset. */
export class PublishedMessage extends PreparedMessage {
  readonly id: string
  readonly offset: number
  readonly audience: ContractEvent | undefined
  /** True for a message of another program, or of a later version of this one: it has a place in the stream, and nobody gets it. */
  readonly isForNobody: boolean

  constructor(content: Content | undefined, { id, offset, label }: Place) {
    const { type, payload, audience } = content ?? NOTHING
    super(type, audience === undefined ? payload : withPlace(payload, label, offset))
    this.id = id
    this.offset = offset
    this.audience = audience
    this.isForNobody = content === undefined
  }

  isFor({ contract }: Session): boolean {
    return !this.isForNobody && accepts(contract, this.audience)
  }

  /** It is not dropped for a slow client, who would not know that it is missing. */
  override get mustArrive(): boolean {
    return true
  }
}

/** The text of an event with two more members. */
function withPlace(text: Buffer, label: string, offset: number): Buffer {
  const members = `,"room":${JSON.stringify(label)},"offset":${offset}}`
  return Buffer.concat([text.subarray(0, -1), Buffer.from(members)])
}

/** About how many bytes a message takes in memory. */
export function costOf({ payload }: PublishedMessage): number {
  return payload.length + OVERHEAD
}
