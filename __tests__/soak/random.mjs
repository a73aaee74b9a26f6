/** Random numbers from 0 to 1 that are the same for the same seed (mulberry32). */
export function randomFrom(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The same generator, with the methods that the clients need. */
export class Dice {
  constructor(seed) {
    this.random = randomFrom(seed)
  }

  between(low, high) {
    return low + this.random() * (high - low)
  }

  integer(low, high) {
    return Math.floor(this.between(low, high + 1))
  }

  chance(probability) {
    return this.random() < probability
  }

  pick(list) {
    return list[this.integer(0, list.length - 1)]
  }

  bytes(length) {
    return Buffer.from(Array.from({ length }, () => this.integer(0, 255)))
  }
}
