/** Where a client is in the stream of a room. */
export interface Position {
  /** The life of the stream. Offsets of different epochs cannot be compared. */
  epoch: string
  /** The number of the last message; 0 before the first. */
  offset: number
}

/** How many positions a client may send in its hello. */
export const MAX_POSITIONS = 100
/** How many of the last messages of a room a connection may get when it joins. */
export const MAX_LAST = 1_000_000
const MAX_EPOCH = 64

export function isPosition(value: unknown): value is Position {
  const { epoch, offset } = (value ?? {}) as Partial<Position>
  return (
    typeof epoch === 'string' && epoch.length <= MAX_EPOCH && Number.isSafeInteger(offset) && (offset as number) >= 0
  )
}
