import { PreparedMessage } from '../connection/write/prepared-message.ts'
import type { ContractEvent } from '../contract/definition.ts'
import type { Content } from './content.ts'

/** What a message costs besides its bytes. */
const OVERHEAD = 256

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
  constructor({ type, payload, audience }: Content, { id, offset, label }: Place) {
    super(type, audience === undefined ? payload : withPlace(payload, label, offset))
    this.id = id
    this.offset = offset
    this.audience = audience
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
