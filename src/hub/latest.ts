import { describe, errors } from '../internal/errors.ts'
import { assertKey } from '../internal/delivery.ts'
import { assertKeys } from '../internal/validate.ts'
import type { BroadcastOptions } from './broadcast-options.ts'
import { type Broadcasts, callOf, type Targets } from './broadcasts.ts'
import { Pacer } from './pacer.ts'

/** The options of `latest`. */
export interface LatestOptions extends Pick<BroadcastOptions, 'type' | 'except' | 'local'> {
  /** The shortest time between two values, in milliseconds, 1 to 60000. @default 33 */
  every?: number
}

const KEYS = ['type', 'except', 'local', 'every']
const EVERY = 33
const MAX_EVERY = 60_000

/** Sends the newest value of each key and target at a pace. */
export class Latest {
  readonly #broadcasts: Broadcasts
  readonly #pacer = new Pacer()

  constructor(broadcasts: Broadcasts) {
    this.#broadcasts = broadcasts
  }

  /** @param args the arguments of a broadcast. They are checked now, whenever the value is sent. */
  send(key: unknown, args: readonly unknown[], to: Targets): void {
    assertKey(key, 'key')
    const { content, options } = callOf(args)
    assertKeys('options', options, KEYS)
    const { every = EVERY, ...others } = options as LatestOptions
    assertEvery(every)
    const broadcast = this.#broadcasts.read(content, { ...others, coalesce: key }, to)
    this.#pacer.send(broadcast.message.key as string, every, () => void this.#broadcasts.send(broadcast))
  }

  close(): void {
    this.#pacer.close()
  }
}

function assertEvery(every: unknown): void {
  if (typeof every !== 'number')
    throw new errors.INVALID_ARGUMENT('every', `must be an integer (milliseconds), got ${describe(every)}`)
  if (!Number.isInteger(every) || every < 1 || every > MAX_EVERY)
    throw new errors.OUT_OF_RANGE('every', `must be an integer from 1 to ${MAX_EVERY} (milliseconds), got ${every}`)
}
