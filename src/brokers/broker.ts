/** The part of a hub that a broker reports to. */
export interface BrokerNode {
  /**
   * Takes a message that arrived on a channel. It never throws. The broker must not change the bytes afterwards. A message that
   * this node has published itself is ignored.
   */
  receive(channel: string, message: Uint8Array): void
  /**
   * Reports that the engine cannot be reached, or that subscriptions were lost. It never throws. The hub then calls `check` until
   * it resolves.
   */
  lost(error: Error): void
}

/**
 * Carries messages between the hubs of several nodes over an engine such as Redis or NATS. A broker knows nothing of rooms and
 * clients: messages are opaque bytes, and channels are any well-formed strings of up to 300 characters.
 *
 * A broker serves one hub or one publisher. `brokerConformance` of `fastify-blaze-ws/testing` tests this contract.
 */
export interface Broker {
  /** The longest message that the engine accepts, in bytes. A hub never sends more than 16 MiB. @default no limit */
  readonly maxMessage?: number

  /**
   * Starts to serve a node. It MUST NOT wait for the engine, and MUST NOT throw if the engine is away. If a connection to the
   * engine breaks, the broker MUST call `node.lost` and reconnect by itself, trying until it succeeds. A second call MUST throw
   * FST_BLAZE_WS_BROKER_IN_USE.
   */
  open(node: BrokerNode): void

  /**
   * Sends a message to all other nodes that have subscribed to the channel. The bytes MUST arrive unchanged. The messages of one
   * node on one channel MUST arrive in the order of the calls, each at most once. A message MAY also be delivered to the node
   * that sent it. Publishing MUST work without `open`, because a publisher is not a node.
   *
   * The promise MUST resolve once the engine has accepted the message, and MUST reject if that is not certain. Without a
   * connection it MUST reject at once, and the message MUST NOT be sent later. The method MUST NOT throw.
   */
  publish(channel: string, message: Uint8Array): Promise<void>

  /**
   * Subscribes the node to channels. After the promise has resolved, everything that other nodes publish on them MUST arrive. If
   * the promise rejects, some or none of the channels may be subscribed to, and a second call MUST be harmless. Subscriptions
   * MUST survive the loss of the connection: they are in force again before `check` resolves.
   */
  subscribe(channels: readonly string[]): Promise<void>

  /**
   * Ends subscriptions. It MUST ignore channels that are not subscribed to. If the promise rejects, all subscriptions MUST be in
   * force again before `check` resolves.
   */
  unsubscribe(channels: readonly string[]): Promise<void>

  /**
   * MUST resolve if the engine answers on every connection that the broker uses and all subscriptions are in force. Otherwise it
   * MUST reject, or wait until it can resolve.
   */
  check(): Promise<void>

  /**
   * Closes the broker. Messages that were already published MUST be sent if the engine accepts them within a second. Then
   * everything that the broker has opened MUST be released, so that nothing keeps the process alive. A client that the
   * application has passed in MUST stay open. It MUST NOT reject.
   */
  close(): Promise<void>
}
