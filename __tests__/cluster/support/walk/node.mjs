import Fastify from 'fastify'
import blazeWs, { createPublisher } from '../../../../dist/esm/index.js'
import { Followed } from './followed.mjs'

/** A node of a walk. It takes operations from its clients in JSON, and commands from its process. */
export class WalkNode {
  #app
  #hub
  #publisher
  #followed
  #isClosed = false

  static async start(name, lease, makeBroker, closing) {
    const node = new WalkNode()
    const app = Fastify({ forceCloseConnections: true })
    app.addHook('onClose', () => Promise.all(closing.map((close) => close())))
    await app.register(blazeWs, { hub: { broker: makeBroker(), lease }, config: { sendQueueSize: 100_000 } })
    node.#app = app
    node.#hub = app.wsHub
    app.wsHub.on('degraded', ({ message }) => process.send({ step: `${name} is degraded: ${message}` }))
    app.wsHub.on('recovered', () => process.send({ step: `${name} has recovered` }))
    node.#followed = new Followed(app.wsHub)
    node.#publisher = createPublisher(makeBroker())
    app.addHook('onClose', () => node.#publisher.close())
    app.webSocket('/', (ws) => node.#serve(ws))
    await app.listen({ port: 0, host: '127.0.0.1' })
    node.port = app.server.address().port
    return node
  }

  /** Writes each answer in the same turn as its operation, so that the client gets it before any later message. */
  async #serve(ws) {
    this.#hub.register(ws)
    ws.writeAsync(JSON.stringify({ hello: ws.id }))
    for await (const { data } of ws) {
      const { op, number } = JSON.parse(data.toString())
      this.#change(ws, op)
      ws.writeAsync(JSON.stringify({ done: number, at: Date.now() }))
    }
  }

  #change(ws, { kind, room, info, key }) {
    const { presence } = this.#hub
    if (kind === 'join' || kind === 'set') this.#followed.entering(room)
    if (kind === 'join') this.#hub.join(ws, room)
    if (kind === 'leave') this.#hub.leave(ws, room)
    if (kind === 'set') presence.set(ws, room, info, key === undefined ? {} : { key })
    if (kind === 'remove') presence.remove(ws, room)
  }

  broadcast({ message, to, except, local }) {
    this.#hub.broadcastJSON(message, { ...(to && { to }), except, local })
  }

  /** Publishes as a process without a hub would; resolves to false if the engine refuses the message. */
  publish({ message, to, except }) {
    return this.#publisher.broadcastJSON(message, { ...(to && { to }), except }).then(
      () => true,
      () => false
    )
  }

  disconnect(room) {
    this.#hub.disconnect(room, 4001, room)
  }

  /** True if the node is ready and not degraded. */
  async isReady() {
    const { cluster } = this.#hub
    return (await cluster.ready({ timeout: 100 })) && !cluster.stats().isDegraded
  }

  /** The view of this node: the cluster, by requests, and its own rooms. */
  async view(rooms) {
    const { cluster, presence } = this.#hub
    const [nodes, all, total, ...counts] = await Promise.all([
      cluster.nodes(),
      cluster.getRooms(),
      cluster.getClientCount(),
      ...rooms.map((room) => cluster.getClientCount(room))
    ])
    return {
      stats: cluster.stats(),
      missing: nodes.missing,
      nodes: nodes.nodes.length,
      rooms: all.rooms.toSorted(),
      clients: total.count,
      counts: Object.fromEntries(rooms.map((room, i) => [room, counts[i].count])),
      presence: Object.fromEntries(this.#hub.getRooms().map((room) => [room, presence.known(room)])),
      faults: this.#followed.faults()
    }
  }

  /** The presence lists of these rooms, with or without clients of this node. */
  async lists(rooms) {
    return Object.fromEntries(await Promise.all(rooms.map(async (room) => [room, await this.#hub.presence.list(room)])))
  }

  async close() {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#app.close()
  }
}
