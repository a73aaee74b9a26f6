// The lower limit for latency between nodes: one process publishes, and the generator itself subscribes.
import { Redis } from 'ioredis'

export const wire = { isRedis: true }

export async function start({ redis }) {
  const client = new Redis(redis, '127.0.0.1')
  await client.ping()
  return {
    broadcast(payload, count) {
      for (let i = 0; i < count; i++) void client.publish('room', payload)
    }
  }
}
