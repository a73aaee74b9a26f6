import { shared } from '../internal/copies.ts'
import { describe, errors } from '../internal/errors.ts'
import { hasMethods } from '../internal/validate.ts'
import type { Broker } from './broker.ts'

const METHODS: readonly (keyof Broker)[] = ['open', 'publish', 'subscribe', 'unsubscribe', 'check', 'close']

const claimed = shared('claimed-brokers', () => new WeakSet<Broker>())

/** True for what has all methods of a broker. */
export function isBroker(value: unknown): value is Broker {
  return hasMethods(value, METHODS)
}

/**
 * Takes a broker for one hub or one publisher, which will close it.
 *
 * @throws FST_BLAZE_WS_BROKER_IN_USE where another has it.
 * @throws TypeError where it is none.
 */
export function takeOwnership(broker: Broker): void {
  if (!isBroker(broker)) {
    throw new errors.INVALID_ARGUMENT(
      'broker',
      `must be a Broker, as redisBroker({ client }) makes one, got ${describe(broker)}`
    )
  }
  if (claimed.has(broker)) throw new errors.BROKER_IN_USE()
  claimed.add(broker)
}
