import type { SlowConsumerPolicy } from '../config/route-config.ts'
import type { Session } from '../connection/session.ts'
import type { Coalesce } from '../connection/write/frame.ts'
import type { PreparedMessage } from '../connection/write/prepared-message.ts'

/** What happened to a broadcast at one recipient. */
export interface DeliveryResult {
  /** How many messages were dropped: this one, or older ones that made room for it. */
  dropped: number
  /** True if this message was sent or queued. */
  isAccepted: boolean
  /** True if the recipient is a slow consumer: its send queue was full. */
  isSlow: boolean
}

const ACCEPTED: DeliveryResult = { dropped: 0, isAccepted: true, isSlow: false }
const CLOSED: DeliveryResult = { dropped: 0, isAccepted: false, isSlow: false }

/** The functions that have thrown. Each is logged once: an error for each message would fill the log. */
const failedCoalesces = new WeakSet<Coalesce>()

/**
 * Sends a broadcast to one recipient. If its send queue is full, the policy decides which message is dropped, or closes the
 * connection.
 */
export function deliver(message: PreparedMessage, session: Session, policy: SlowConsumerPolicy): DeliveryResult {
  const frame = message.frameFor(session.deflate)
  const { writer } = session
  if (message.isVolatile && writer.isBehind)
    return { dropped: countDropped(session, 1), isAccepted: false, isSlow: false }
  if (message.key !== undefined && writer.replace(frame, message.key))
    return { dropped: countDropped(session, 1), isAccepted: true, isSlow: false }
  // Only a queued message can be replaced. The socket sends what it has taken.
  const canReplace = typeof policy === 'object' && writer.isBlocked && message.key === undefined && !message.mustArrive
  const replaced = canReplace ? replaceQueued(message, session, policy) : 0
  const offer = writer.offer(frame, true)
  if (offer === 'taken') return replaced === 0 ? ACCEPTED : { dropped: replaced, isAccepted: true, isSlow: false }
  if (offer === 'closed') return CLOSED
  if (policy === 'disconnect')
    return { dropped: session.closeSlow() + countDropped(session, 1), isAccepted: false, isSlow: true }
  // The stream of the room will send it later, whatever the policy: dropped, it would be missing.
  if (message.mustArrive) return { dropped: 0, isAccepted: false, isSlow: true }
  if (policy === 'dropNewest' || policy === 'catchUp')
    return { dropped: countDropped(session, 1), isAccepted: false, isSlow: true }
  let dropped = replaced
  while (writer.dropWaiting(() => true)) {
    dropped += countDropped(session, 1)
    if (writer.offer(frame, true) === 'taken') return { dropped, isAccepted: true, isSlow: true }
  }
  return { dropped: dropped + countDropped(session, 1), isAccepted: false, isSlow: true }
}

/** Drops the queued messages with the same key as this one. Returns how many. */
function replaceQueued(message: PreparedMessage, session: Session, { coalesce }: { coalesce: Coalesce }): number {
  let replaced = 0
  try {
    const key = message.keyFor(coalesce)
    while (session.writer.dropWaiting((broadcast) => broadcast.keyFor(coalesce) === key)) replaced++
  } catch (error) {
    if (!failedCoalesces.has(coalesce))
      session.log.error(
        { err: error },
        'coalesce function of a slowConsumer policy failed; its further errors are not logged'
      )
    failedCoalesces.add(coalesce)
  }
  return countDropped(session, replaced)
}

function countDropped(session: Session, count: number): number {
  session.dropped += count
  return count
}
