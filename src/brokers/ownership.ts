import { shared } from '../internal/package-copies.ts'
import { describe, errors } from '../internal/errors.ts'
import { hasMethods } from '../internal/validate.ts'
import type { Broker } from './broker.ts'

// A broker serves one hub or one publisher, which closes it. A broker with two owners would stop working for both as soon as one of
// them ended.

const METHODS: readonly (keyof Broker)[] = ['open', 'publish', 'subscribe', 'unsubscribe', 'check', 'close']

/** The brokers that have an owner. */
const owned = shared('owned-brokers', () => new WeakSet<Broker>())

/** True if a value has all methods of a broker. */
export function isBroker(value: unknown): value is Broker {
  return hasMethods(value, METHODS)
}

/**
 * Makes the caller the only owner of a broker.
 *
 * @throws FST_BLAZE_WS_BROKER_IN_USE if the broker has an owner.
 * @throws FST_BLAZE_WS_INVALID_ARGUMENT if the value is not a broker.
 */
export function takeOwnership(broker: Broker): void {
  if (!isBroker(broker)) {
    throw new errors.INVALID_ARGUMENT(
      'broker',
      `must be a Broker, as redisBroker({ client }) makes one, got ${describe(broker)}`
    )
  }
  if (owned.has(broker)) throw new errors.BROKER_IN_USE()
  owned.add(broker)
}
