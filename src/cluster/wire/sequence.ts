import type { Envelope } from './envelope.ts'

/** For how many channels a sender knows which number comes next, and of how many senders a receiver which came last. */
const MAX_CHANNELS = 16_384
const MAX_ORIGINS = 256
const MAX_UINT32 = 2 ** 32 - 1

interface Count {
  generation: number
  sequence: number
}

/** Keeps a map from growing for ever: what came first goes first, a quarter at a time, which costs less than one by one. */
function makePlace(map: Map<string, unknown>, max: number): void {
  if (map.size < max) return
  for (const oldest of map.keys()) {
    map.delete(oldest)
    if (map.size <= max * 0.75) return
  }
}

/**
 * Counts what a node sends on each channel, so that receivers notice what is missing and what comes twice. A channel that was
 * forgotten in between begins anew, in a later generation.
 */
export class SequenceNumbers {
  readonly #counts = new Map<string, Count>()
  #generation = 0

  /** The number of the next message on a channel. */
  next(channel: string): Readonly<Count> {
    let count = this.#counts.get(channel)
    if (count === undefined || count.sequence === MAX_UINT32) {
      makePlace(this.#counts, MAX_CHANNELS)
      count = { generation: ++this.#generation, sequence: 0 }
      this.#counts.set(channel, count)
    }
    count.sequence++
    return count
  }
}

/** What arrives on the channels of a node, by sender: what is missing is counted, what comes twice is told. */
export class SequenceTracker {
  readonly #channels = new Map<string, Map<string, Count>>()
  readonly #gap: (channel: string, origin: string) => void
  /** Messages that were sent to this node and never came. */
  missed = 0

  /** `gap` is told on which channel something of which sender is missing, in front of the message that shows it. */
  constructor(gap: (channel: string, origin: string) => void = () => {}) {
    this.#gap = gap
  }

  /** False for a message that has already come, or stands behind one that should have come later. */
  isNew(
    channel: string,
    { origin, generation, sequence }: Pick<Envelope, 'origin' | 'generation' | 'sequence'>
  ): boolean {
    // Publishers that do not count send zeros.
    if (generation === 0) return true
    let origins = this.#channels.get(channel)
    if (origins === undefined) this.#channels.set(channel, (origins = new Map()))
    const last = origins.get(origin)
    if (last === undefined) {
      makePlace(origins, MAX_ORIGINS)
      origins.set(origin, { generation, sequence })
      return true
    }
    if (generation < last.generation || (generation === last.generation && sequence <= last.sequence)) return false
    // How many of an earlier generation are missing nobody can say.
    const missing = sequence - 1 - (generation === last.generation ? last.sequence : 0)
    last.generation = generation
    last.sequence = sequence
    this.missed += missing
    if (missing > 0) this.#gap(channel, origin)
    return true
  }

  /** The node has left a channel: what it misses there from now on, it does not want. */
  forget(channel: string): void {
    this.#channels.delete(channel)
  }
}
