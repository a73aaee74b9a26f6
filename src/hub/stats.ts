/** The numbers of a hub's broadcasts, since the hub was created. */
export interface BroadcastStats {
  /** Messages accepted for sending, counted once per recipient. Messages that were dropped later are also counted in `drops`. */
  messagesSent: number
  /** The payload bytes of these messages, before compression. */
  bytesSent: number
  /** Messages dropped because the client was a slow consumer. */
  drops: number
  /** Connections closed with 1013 because the client was a slow consumer. */
  slowDisconnects: number
}

/** The numbers of a hub. `clients` and `rooms` are current; the others count since the hub was created. */
export interface HubStats extends BroadcastStats {
  /** Registered connections. */
  clients: number
  /** Rooms with at least one member. */
  rooms: number
}
