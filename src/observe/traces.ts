import { type BroadcastMessage, channels, type MessageChannel, type PublishMessage, type Traced } from './channels.ts'
import { isTraceparent } from '../rpc/traceparent.ts'

/** Tells the subscribers of a broadcast that is about to be sent. Returns the trace that one of them has given it. */
export function traceOfBroadcast(
  hub: object,
  broadcast: Pick<BroadcastMessage, 'to' | 'recipients' | 'bytes' | 'type'>
): string | undefined {
  if (!channels.broadcast.hasSubscribers) return undefined
  return announce(channels.broadcast, { hub, ...broadcast, traceparent: undefined, isRemote: false })
}

/** Tells the subscribers of a message that is about to be stored. Returns the trace that one of them has given it. */
export function traceOfPublication(hub: object, room: string, bytes: number): string | undefined {
  if (!channels.publish.hasSubscribers) return undefined
  return announce(channels.publish, { hub, room, bytes, traceparent: undefined, isRemote: false })
}

function announce<Message extends Traced>(channel: MessageChannel<Message>, message: Message): string | undefined {
  channel.publish(message)
  return isTraceparent(message.traceparent) ? message.traceparent : undefined
}

/** Tells the subscribers of a broadcast of another node that is about to be delivered. */
export function tellOfBroadcast(hub: object, broadcast: Omit<BroadcastMessage, 'hub' | 'isRemote'>): void {
  if (channels.broadcast.hasSubscribers) channels.broadcast.publish({ hub, ...broadcast, isRemote: true })
}

/** Tells the subscribers of a message that another node has stored. */
export function tellOfPublication(hub: object, publication: Omit<PublishMessage, 'hub' | 'isRemote'>): void {
  if (channels.publish.hasSubscribers) channels.publish.publish({ hub, ...publication, isRemote: true })
}
