// A broker over Redis
export { redisBroker, type RedisBrokerOptions } from './brokers/redis/broker.ts'
export type { RedisClient } from './brokers/redis/library.ts'

// A store of histories over Redis
export { redisHistory, type RedisHistoryOptions } from './history/redis/store.ts'

// Tickets that are valid on all servers with the same Redis
export { redisTicketStore, type RedisTicketClient, type RedisTicketStoreOptions } from './auth/redis-ticket-store.ts'
