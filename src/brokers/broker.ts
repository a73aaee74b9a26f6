/** The side of a hub that a broker talks to. */
export interface BrokerNode {
  /** The id of this node, unique in the cluster; `originOf` tells it of every message. */
  readonly id: string
  /** Takes a message that came on a channel. It never throws. */
  receive(channel: string, message: Uint8Array): void
  /** Takes note that the engine cannot be reached. It never throws; the hub asks `check` when it is back. */
  lost(error: Error): void
}

/**
 * Carries messages between the hubs of several nodes, over an engine such as Redis or NATS, and does nothing else: who is in
 * which room, who gets what and what a message means is the hubs' own business. A broker serves one hub.
 *
 * Messages are opaque bytes, channels are any well-formed strings of up to 300 characters. `brokerConformance` of
 * `fastify-blaze-ws/testing` tests what is written here.
 */
export interface Broker {
  /** The longest message that the engine takes, in bytes. @default no limit of its own */
  readonly maxMessage?: number

  /**
   * Begins to serve a node. It MUST NOT wait for the engine and MUST NOT throw because of it; it MUST call `node.lost` when a
   * connection to the engine breaks, and connect again by itself, as often as it takes. A second call MUST throw
   * FST_BLAZE_WS_BROKER_IN_USE.
   */
  open(node: BrokerNode): void

  /**
   * Sends a message to all *other* nodes that have subscribed to the channel. A node MUST NOT get its own messages back (see
   * `originOf`), and MUST get those of any one other node on one channel in the order of the calls, each at most once. The
   * bytes MUST arrive as they are. It MUST work without `open`, for publishers that are no node.
   *
   * The promise MUST resolve once the engine has the message, and MUST reject where that cannot be said. While there is no
   * connection it MUST reject at once and keep nothing for later. It MUST NOT throw.
   */
  publish(channel: string, message: Uint8Array): Promise<void>

  /**
   * Asks for what is published on channels. Once the promise has resolved, everything that is published from then on MUST
   * arrive; where it rejects, nothing of the call needs to have an effect, and calling it again MUST be harmless.
   * Subscriptions MUST outlive the connection: they are in force again before `check` resolves.
   */
  subscribe(channels: readonly string[]): Promise<void>

  /** Takes `subscribe` back. Channels that were not subscribed to MUST be ignored. */
  unsubscribe(channels: readonly string[]): Promise<void>

  /**
   * MUST resolve when the engine answers, on every connection that the broker uses, and all subscriptions are in force;
   * otherwise it MUST reject, or wait until it can resolve.
   */
  check(): Promise<void>

  /**
   * Ends. What was published before MUST be sent, where the engine takes it within a second; then all that `open` and
   * `publish` have made MUST be given back, so that nothing keeps the process alive. What the application has passed in
   * MUST stay as it is. It MUST NOT reject.
   */
  close(): Promise<void>
}
