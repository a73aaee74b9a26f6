// A broker over Redis
export { redisBroker, type RedisBrokerOptions } from './brokers/redis/broker.ts'
export type { RedisClient } from './brokers/redis/library.ts'

// Tickets that are valid on all servers with the same Redis
export { redisTicketStore, type RedisTicketClient, type RedisTicketStoreOptions } from './auth/redis-ticket-store.ts'
