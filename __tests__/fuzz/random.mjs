// All randomness of a fuzz run comes from here, so that a seed is enough to repeat the same bytes.

/** Mixes the bits of a number, so that neighbouring numbers give unrelated results (the finalizer of MurmurHash3). */
function mix(number) {
  let hash = number >>> 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** The seed of one case of a run. */
export function seedOf(seed, index) {
  return mix(mix(seed) + Math.imul(index, 0x9e3779b1))
}

/** Random numbers from a seed of 32 bits (mulberry32). */
export class Random {
  #state

  constructor(seed) {
    this.#state = seed >>> 0
  }

  /** At least 0 and less than 1. */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let value = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61)
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32
  }

  /** An integer from 0 to `limit` - 1. */
  below(limit) {
    return Math.floor(this.next() * limit)
  }

  /** An integer from `from` to `to`, both included. */
  between(from, to) {
    return from + this.below(to - from + 1)
  }

  chance(probability) {
    return this.next() < probability
  }

  pick(list) {
    return list[this.below(list.length)]
  }

  /** One of `[weight, value]`. */
  weighted(choices) {
    let left = this.next() * choices.reduce((sum, [weight]) => sum + weight, 0)
    for (const [weight, value] of choices) if ((left -= weight) < 0) return value
    return choices.at(-1)[1]
  }

  /** Large ones repeat a pattern: they are made often, and their content does not matter much. */
  bytes(length) {
    const block = Buffer.allocUnsafe(Math.min(length, 509))
    for (let i = 0; i < block.length; i++) block[i] = this.below(256)
    return length > block.length ? Buffer.alloc(length, block) : block
  }
}
