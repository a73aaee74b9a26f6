const LENGTH = 50
const ONE_HOUR = 3600

/** The last messages of each room that this process has broadcast. */
export class MemoryHistory {
  #rooms = new Map()

  async add(room, message) {
    this.#rooms.set(room, [...this.list(room).slice(1 - LENGTH), message])
  }

  list(room) {
    return this.#rooms.get(room) ?? []
  }

  /** Forgets a room that has no guests on this node any more. */
  drop(room) {
    this.#rooms.delete(room)
  }
}

/** The same in Redis, for all nodes. If Redis is away, the chat goes on, and newcomers see only new messages. */
export class RedisHistory {
  #client

  /** @param {import('ioredis').Redis} client */
  constructor(client) {
    this.#client = client
  }

  async add(room, message) {
    const key = keyOf(room)
    await orElse(
      this.#client.multi().rpush(key, JSON.stringify(message)).ltrim(key, -LENGTH, -1).expire(key, ONE_HOUR).exec()
    )
  }

  async list(room) {
    const messages = await orElse(this.#client.lrange(keyOf(room), 0, -1), [])
    return messages.map((json) => JSON.parse(json))
  }

  /** Does nothing: there may be guests on other nodes, and Redis expires the history an hour after the last message. */
  drop() {}
}

function keyOf(room) {
  return `blaze-chat:said:${room}`
}

async function orElse(promise, value) {
  try {
    return await promise
  } catch {
    return value
  }
}
