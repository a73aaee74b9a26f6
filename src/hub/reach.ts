import { assertTimeout } from '../internal/close-codes.ts'
import { DELIVERY_KEYS } from '../internal/delivery.ts'
import { assertKeys } from '../internal/validate.ts'
import type { BroadcastOptions } from './broadcast-options.ts'
import { type Broadcasts, callOf, type Targets } from './broadcasts.ts'

/** The options of `reach`. */
export interface ReachOptions extends Omit<BroadcastOptions, 'filter'> {
  /** How long the other nodes have for their answers, in milliseconds. @default 1000 */
  timeout?: number
}

/** Who was reached by a broadcast. */
export interface Reached {
  /** How many connections have taken the message: their sockets, or their send queues. */
  connections: number
  /** How many nodes this number is from, including this one. */
  nodes: number
  /** The ids of nodes that did not answer in time. It is not known whom the message has reached there. */
  missing: string[]
}

const KEYS = ['type', 'to', 'except', 'local', 'timeout', ...DELIVERY_KEYS]
const TIMEOUT = 1_000

/** Broadcasts, and counts on all nodes who has taken the message. Sends before it returns, so that broadcasts stay in order. */
export async function reach(
  broadcasts: Broadcasts,
  args: readonly unknown[],
  to: Targets | undefined
): Promise<Reached> {
  const { content, options } = callOf(args)
  assertKeys('options', options, KEYS)
  const { timeout = TIMEOUT, ...others } = options as ReachOptions
  assertTimeout(timeout)
  const broadcast = broadcasts.read(content, others, to)
  const { here, elsewhere } = broadcasts.reach(broadcast, timeout)
  if (elsewhere === undefined) return { connections: here, nodes: 1, missing: [] }
  const { answers, missing } = await elsewhere
  const counts = [...answers.values()].flat().filter(isCount)
  return { connections: counts.reduce((sum, count) => sum + count, here), nodes: answers.size + 1, missing }
}

function isCount(part: unknown): part is number {
  return Number.isSafeInteger(part) && (part as number) >= 0
}
