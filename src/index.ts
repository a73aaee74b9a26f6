// fastify-blaze-ws: WebSocket routes, a hub with rooms, and a cluster for Fastify.
//
// A connection passes through the directories of the source in this order:
//
//   upgrade/      takes the server's upgrade events, finds the route, and completes the handshake
//   route/        adds WebSocket routes and runs their handlers
//   contract-route/  adds routes with a contract: JSON-RPC, checked events, calls and asks
//   connection/   reads and writes messages, checks deadlines and limits, and ends the connection
//   hub/          broadcasts to the connections of this node and to rooms
//   cluster/      passes broadcasts, requests and notices between nodes
//   presence/     tells who is present in a room, on all nodes
//   history/      numbers and keeps what is published in rooms, and brings clients that were away up to date
//   brokers/      connects the nodes through Redis, NATS, the workers of one machine, or memory
//
// plugin.ts puts them together. shutdown/ ends the connections when the server closes, health/ says how it is, and observe/ counts and tells
// what happens. config/ checks the configuration of routes, auth/ helps clients to authenticate, and internal/ is used everywhere.
//
// Imports go one way: internal < config < connection < upgrade < route < plugin,
// and: internal < brokers < cluster < presence, history < hub < plugin. docs/architecture.md has the whole picture.

// The plugin and its routes
export { default } from './plugin.ts'
export type { BlazeWsOptions } from './plugin/plugin-options.ts'
export type { ShutdownOptions } from './shutdown/options.ts'
export type { WebSocketHealth } from './health/health.ts'
export type { WebSocketHandler, WebSocketRouteOptions } from './route/types.ts'

// The configuration of a route
export { defaultWebSocketConfig, type SlowConsumerPolicy, type WebSocketConfig } from './config/route-config.ts'
export { allowOrigins, sameOrigin } from './config/origin.ts'
export type { LimitedConnection, RateLimit } from './config/rate-limit.ts'

// Authentication of clients (see also ./tickets.ts)
export { bearerSubprotocol } from './auth/bearer-subprotocol.ts'
export { redactRequest, redactUrl } from './auth/redact.ts'

// A connection and its messages
export { WebSocketConnection } from './connection/connection.ts'
export type { AnyConnection } from './connection/underlying.ts'
export type { WebSocketContext } from './connection/context.ts'
// `export *`, because an application cannot merge its own declarations into a type that is exported by name.
export type * from './connection/locals.ts'
export {
  BinaryMessage,
  CloseMessage,
  type MessageType,
  PingMessage,
  PongMessage,
  TextMessage,
  type WebSocketMessage
} from './internal/message.ts'

// Contract routes: typed, validated messages (see also ./contract.ts and ./client.ts)
export type { AsyncApiDocument, AsyncApiInfo } from './asyncapi/document.ts'
export { AskError, type AskErrorCode } from './contract-route/ask-error.ts'
export type { AskOptions } from './contract-route/asks.ts'
export type { CallContext } from './contract-route/calls.ts'
export type { CallHandler, ContractConnection } from './contract-route/types.ts'

// The end of a connection
export { CloseCode, CloseError, type CloseInfo, isCloseError, isUnexpectedCloseError } from './internal/close-codes.ts'

// The hub: broadcasts and rooms
export { WebSocketHub } from './hub/hub.ts'
export type { HubOptions, HubOwner } from './hub/hub-options.ts'
export type { BroadcastOptions } from './hub/broadcast-options.ts'
export type { RoomTarget } from './hub/room-target.ts'
export type { LatestOptions } from './hub/latest.ts'
export type { Reached, ReachOptions } from './hub/reach.ts'
export type { DisconnectOptions, DisconnectTarget } from './hub/disconnect.ts'
export type { HubEvents } from './hub/client-events.ts'
export type { HubStats } from './hub/stats.ts'

// The cluster: hubs of several nodes
export type { Cluster, ClusterAnswer, ClusterQuestion } from './cluster/cluster.ts'
export type { ClusterListener } from './cluster/server-messages.ts'
export type { ClusterStats } from './cluster/node.ts'
export type { NodeInfo } from './cluster/members.ts'
export type { HubLogger } from './hub/hub-cluster.ts'
export {
  createPublisher,
  type Publisher,
  type PublisherOptions,
  type PublisherTarget,
  type PublishOptions
} from './publisher.ts'

// Presence: the members of a room on all nodes
export type { Presence, PresenceEvents, PresenceOptions } from './presence/presence.ts'
export type { Present } from './presence/roster.ts'

// The history of rooms: messages that are not missed (see also ./redis.ts and ./testing.ts)
export type { History, HistoryEntries, HistoryEntry, ReadOptions } from './history/history.ts'
export type { JoinOptions } from './history/join.ts'
export type { HistoryOptions, RoomRetention } from './history/options.ts'
export type { StreamOptions } from './history/publish-arguments.ts'
export type { Published } from './history/streams.ts'
export { memoryHistory } from './history/memory-store.ts'
export {
  type Appended,
  type AppendOptions,
  type HistoryStore,
  type KnownRoom,
  newEpoch,
  type NewMessage,
  type Publication,
  type ReadRange,
  type Retention,
  type StoredMessage,
  type StoredPart
} from './history/store.ts'
export type { Position } from './rpc/position.ts'

// Observing: numbers, and channels of node:diagnostics_channel
export type { RouteStats, WebSocketStats } from './observe/stats.ts'
export type { BlazeWsChannels } from './observe/channels.ts'

// Brokers: the connections between nodes (see also ./redis.ts, ./nats.ts and ./testing.ts)
export type { Broker, BrokerNode } from './brokers/broker.ts'
export { memoryBroker, MemoryEngine } from './brokers/memory.ts'

// Errors
export { errors, type FastifyError } from './internal/errors.ts'
