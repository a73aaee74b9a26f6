// The plugin
export { default } from './plugin.ts'
export type { BlazeWsOptions } from './plugin/options.ts'
export type { WebSocketHandler, WebSocketRouteOptions } from './route/types.ts'
export type { ShutdownOptions } from './shutdown.ts'

// Configuration of a route
export { defaultWebSocketConfig, type SlowConsumerPolicy, type WebSocketConfig } from './config/route-config.ts'
export type { LimitedConnection, RateLimit } from './config/rate-limit.ts'
export { allowOrigins, sameOrigin } from './config/origin.ts'

// Connections
export { WebSocketConnection } from './connection/connection.ts'
// Not by name: only so can an application merge its own declarations into it.
export type * from './connection/locals.ts'
export type { WebSocketContext } from './connection/context.ts'
export {
  BinaryMessage,
  CloseMessage,
  type MessageType,
  PingMessage,
  PongMessage,
  TextMessage,
  type WebSocketMessage
} from './internal/message.ts'

// Secrets of clients
export { bearerSubprotocol } from './auth/bearer-subprotocol.ts'
export { redactRequest, redactUrl } from './auth/redact.ts'

// How connections end
export { CloseCode, CloseError, type CloseInfo, isCloseError, isUnexpectedCloseError } from './internal/close.ts'

// The hub
export type { HubStats } from './hub/broadcaster.ts'
export type { HubEvents } from './hub/events.ts'
export { WebSocketHub } from './hub/hub.ts'
export type { HubOptions, HubOwner } from './hub/options.ts'
export type { BroadcastOptions, DisconnectOptions, DisconnectTarget, RoomTarget } from './hub/recipients.ts'

// More than one node
export type { Broker, BrokerNode } from './brokers/broker.ts'
export { originOf } from './cluster/wire/envelope.ts'
export { memoryBroker, MemoryEngine } from './brokers/memory.ts'
export type { HubLogger } from './cluster/backplane.ts'
export type { Cluster, ClusterAnswer, ClusterQuestion } from './cluster/cluster.ts'
export type { ClusterListener } from './cluster/messages.ts'
export type { ClusterStats } from './cluster/host.ts'
export type { NodeInfo } from './cluster/members.ts'
export type { Presence, PresenceEvents, PresenceOptions } from './presence/presence.ts'
export {
  createPublisher,
  type Publisher,
  type PublisherOptions,
  type PublisherTarget,
  type PublishOptions
} from './cluster/publisher.ts'
export type { Present } from './presence/roster.ts'

// Errors
export { errors, type FastifyError } from './internal/errors.ts'
