import type { SlowConsumerPolicy } from '../config/route-config.ts'
import type { Session } from '../connection/session.ts'
import type { Coalesce } from '../connection/write/frame.ts'
import type { PreparedMessage } from '../connection/write/prepared-message.ts'

/** What became of a broadcast at one receiver. */
export interface DeliveryResult {
  /** How many messages it cost: this one, or others that made place for it. */
  dropped: number
  /** True where this message was taken. */
  sent: boolean
  /** True where the receiver could not take it as it was. */
  slow: boolean
}

const SENT: DeliveryResult = { dropped: 0, sent: true, slow: false }
const CLOSED: DeliveryResult = { dropped: 0, sent: false, slow: false }

/** Those that have thrown: an error for each message would fill the log. */
const failed = new WeakSet<Coalesce>()

/**
 * Gives a broadcast to one receiver, and where its queue is full does what the policy says. The only place where a broadcast
 * is written and where anyone is called slow.
 */
export function deliver(message: PreparedMessage, session: Session, policy: SlowConsumerPolicy): DeliveryResult {
  const frame = message.frameFor(session.deflate)
  const { writer } = session
  // Only messages that wait can be replaced: what the socket has, it sends.
  const replaced = typeof policy === 'object' && writer.isBlocked ? replaceWaiting(message, session, policy) : 0
  const offer = writer.offer(frame, true)
  if (offer === 'taken') return replaced === 0 ? SENT : { dropped: replaced, sent: true, slow: false }
  if (offer === 'closed') return CLOSED
  if (policy === 'disconnect') return { dropped: session.closeSlow() + drop(session, 1), sent: false, slow: true }
  if (policy === 'dropNewest') return { dropped: drop(session, 1), sent: false, slow: true }
  let dropped = replaced
  while (writer.dropWaiting(() => true)) {
    dropped += drop(session, 1)
    if (writer.offer(frame, true) === 'taken') return { dropped, sent: true, slow: true }
  }
  return { dropped: dropped + drop(session, 1), sent: false, slow: true }
}

function drop(session: Session, count: number): number {
  session.dropped += count
  return count
}

function replaceWaiting(message: PreparedMessage, session: Session, { coalesce }: { coalesce: Coalesce }): number {
  let replaced = 0
  try {
    const key = message.keyFor(coalesce)
    while (session.writer.dropWaiting((broadcast) => broadcast.keyFor(coalesce) === key)) replaced++
  } catch (error) {
    if (!failed.has(coalesce))
      session.log.error({ err: error }, 'coalesce of a slowConsumer policy failed; this is logged once')
    failed.add(coalesce)
  }
  return drop(session, replaced)
}
