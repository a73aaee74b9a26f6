/**
 * The numbers of /status: those of the whole chat, on all nodes, and those that only the node knows that answers, under its name.
 * Rooms that the chat keeps for itself count in neither.
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
