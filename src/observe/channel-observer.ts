import { type ConnectionObserver, connectionOf } from '../connection/events.ts'
import type { CloseInfo } from '../internal/close-codes.ts'
import { channels } from './channels.ts'

/** Publishes the events of connections to their channels, if these have subscribers. */
export const channelObserver: ConnectionObserver = {
  onRefused(request, status, route) {
    if (channels.refused.hasSubscribers) channels.refused.publish({ request, route, status })
  },
  onOpened(ws) {
    if (channels.open.hasSubscribers) channels.open.publish({ ws, request: ws.request, route: ws.session.route })
  },
  onMessageIn(session, { type, data }) {
    if (!channels.messageIn.hasSubscribers) return
    channels.messageIn.publish({ ws: connectionOf(session), route: session.route, type, bytes: data.length })
  },
  onMessagesOut(session, messages, bytes) {
    // Control frames are no messages.
    if (!channels.messageOut.hasSubscribers || messages === 0) return
    channels.messageOut.publish({ ws: connectionOf(session), route: session.route, messages, bytes })
  },
  onSlow(session) {
    if (channels.slow.hasSubscribers) channels.slow.publish({ ws: connectionOf(session), route: session.route })
  },
  onClosed(ws) {
    if (!channels.close.hasSubscribers) return
    const { request, session } = ws
    const closeInfo = ws.closeInfo as CloseInfo
    const isServer = !session.closeState.isByClient
    channels.close.publish({ ws, request, route: session.route, closeInfo, isServer })
  }
}
