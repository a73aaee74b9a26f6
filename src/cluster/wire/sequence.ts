import type { Envelope } from './envelope.ts'

/** For how many channels a sender remembers the last number. */
const MAX_CHANNELS = 16_384
/** Of how many senders a receiver remembers the last number, for each channel. */
const MAX_ORIGINS = 256
const MAX_UINT32 = 2 ** 32 - 1

interface Count {
  generation: number
  sequence: number
}

/** Keeps a map below a size. Removes the oldest quarter at once, which costs less than one entry at a time. */
function makeRoom(map: Map<string, unknown>, max: number): void {
  if (map.size < max) return
  for (const oldest of map.keys()) {
    map.delete(oldest)
    if (map.size <= max * 0.75) return
  }
}

/**
 * Numbers the messages of a node on each channel, so that receivers notice gaps and duplicates. A channel whose number was
 * forgotten starts again at 1, in a later generation.
 */
export class SequenceNumbers {
  readonly #counts = new Map<string, Count>()
  #generation = 0

  /** The number of the next message on a channel. */
  next(channel: string): Readonly<Count> {
    let count = this.#counts.get(channel)
    if (count === undefined || count.sequence === MAX_UINT32) {
      makeRoom(this.#counts, MAX_CHANNELS)
      count = { generation: ++this.#generation, sequence: 0 }
      this.#counts.set(channel, count)
    }
    count.sequence++
    return count
  }
}

/** Follows the numbers of the messages that arrive, for each channel and sender. */
export class SequenceTracker {
  readonly #channels = new Map<string, Map<string, Count>>()
  readonly #onGap: (channel: string, origin: string) => void
  /** Messages that were sent to this node and did not arrive. */
  missed = 0

  /** @param onGap is called when messages are missing, before `isNew` returns for the message that shows it. */
  constructor(onGap: (channel: string, origin: string) => void = () => {}) {
    this.#onGap = onGap
  }

  /** Returns false for a message that has arrived before, or after a later one. */
  isNew(
    channel: string,
    { origin, generation, sequence }: Pick<Envelope, 'origin' | 'generation' | 'sequence'>
  ): boolean {
    // Publishers that do not number their messages send zeros.
    if (generation === 0) return true
    let origins = this.#channels.get(channel)
    if (origins === undefined) this.#channels.set(channel, (origins = new Map()))
    const last = origins.get(origin)
    if (last === undefined) {
      makeRoom(origins, MAX_ORIGINS)
      origins.set(origin, { generation, sequence })
      return true
    }
    if (generation < last.generation || (generation === last.generation && sequence <= last.sequence)) return false
    // It is not known how many messages of the earlier generation are missing.
    const missing = sequence - 1 - (generation === last.generation ? last.sequence : 0)
    last.generation = generation
    last.sequence = sequence
    this.missed += missing
    if (missing > 0) this.#onGap(channel, origin)
    return true
  }

  /** The node has unsubscribed from a channel. What it misses there is not missing. */
  forget(channel: string): void {
    this.#channels.delete(channel)
  }
}
