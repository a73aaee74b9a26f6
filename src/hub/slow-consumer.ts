import type { SlowConsumerPolicy } from '../config/route-config.ts'
import type { Channel } from '../connection/session.ts'
import type { Coalesce } from '../connection/write/frame.ts'
import type { Prepared } from '../connection/write/prepared-message.ts'

/** What became of a broadcast at one receiver. */
export interface Delivery {
  /** How many messages it cost: this one, or others that made place for it. */
  dropped: number
  /** True where this message was taken. */
  sent: boolean
  /** True where the receiver could not take it as it was. */
  slow: boolean
}

const SENT: Delivery = { dropped: 0, sent: true, slow: false }
const CLOSED: Delivery = { dropped: 0, sent: false, slow: false }

/** Those that have thrown: an error for each message would fill the log. */
const failed = new WeakSet<Coalesce>()

/**
 * Gives a broadcast to one receiver, and where its queue is full does what the policy says. The only place where a broadcast
 * is written and where anyone is called slow.
 */
export function deliver(message: Prepared, channel: Channel, policy: SlowConsumerPolicy): Delivery {
  const frame = message.frameFor(channel.deflate)
  const { outbound } = channel
  // Only messages that wait can be replaced: what the socket has, it sends.
  const replaced = typeof policy === 'object' && outbound.isBlocked ? replaceWaiting(message, channel, policy) : 0
  const offer = outbound.offer(frame, true)
  if (offer === 'taken') return replaced === 0 ? SENT : { dropped: replaced, sent: true, slow: false }
  if (offer === 'closed') return CLOSED
  if (policy === 'disconnect') return { dropped: channel.closeSlow() + drop(channel, 1), sent: false, slow: true }
  if (policy === 'dropNewest') return { dropped: drop(channel, 1), sent: false, slow: true }
  let dropped = replaced
  while (outbound.dropWaiting(() => true)) {
    dropped += drop(channel, 1)
    if (outbound.offer(frame, true) === 'taken') return { dropped, sent: true, slow: true }
  }
  return { dropped: dropped + drop(channel, 1), sent: false, slow: true }
}

function drop(channel: Channel, count: number): number {
  channel.dropped += count
  return count
}

function replaceWaiting(message: Prepared, channel: Channel, { coalesce }: { coalesce: Coalesce }): number {
  let replaced = 0
  try {
    const key = message.keyFor(coalesce)
    while (channel.outbound.dropWaiting((broadcast) => broadcast.keyFor(coalesce) === key)) replaced++
  } catch (error) {
    if (!failed.has(coalesce)) channel.log.error({ err: error }, 'coalesce of a slowConsumer policy failed; this is logged once')
    failed.add(coalesce)
  }
  return drop(channel, replaced)
}
