/**
 * The numbers for /status.json: those of the whole chat, on all nodes, and under `node` those of the node that answers. The internal
 * rooms for names are not counted.
 */
export async function statusOf(hub, chat, nodeName) {
  const [{ nodes, missing }, { rooms, total }] = await Promise.all([hub.cluster.nodes(), chat.rooms()])
  const { clients, messagesSent, bytesSent, drops, slowDisconnects } = hub.stats()
  return {
    people: nodes.reduce((sum, { clients: people }) => sum + people, 0),
    rooms: total,
    roomList: rooms,
    nodes: nodes.length,
    missing: missing.length,
    isDegraded: hub.cluster.stats().isDegraded,
    node: {
      name: nodeName,
      people: clients,
      messagesSent,
      bytesSent,
      drops,
      slowDisconnects,
      uptime: Math.round(process.uptime())
    }
  }
}
