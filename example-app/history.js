const LENGTH = 50
const ONE_HOUR = 3600

/** The last messages of each room, as this process has passed them on. */
export class MemoryHistory {
  #rooms = new Map()

  async add(room, message) {
    this.#rooms.set(room, [...this.list(room).slice(1 - LENGTH), message])
  }

  list(room) {
    return this.#rooms.get(room) ?? []
  }

  /** Nobody of this process is in the room any more. */
  drop(room) {
    this.#rooms.delete(room)
  }
}

/** The same in Redis, for all nodes. Without it a chat goes on: newcomers see what is said from then on. */
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

  /** Others may be in it on other nodes; an hour after the last message it is gone by itself. */
  drop() {}
}

function keyOf(room) {
  return `blaze-chat:history:${room}`
}

async function orElse(promise, value) {
  try {
    return await promise
  } catch {
    return value
  }
}
