// The hub over Redis
export { redisBroker, type RedisBrokerOptions, type RedisClient } from './brokers/redis/broker.ts'

// Tickets that all servers honour
export { redisTicketStore, type RedisTicketClient, type RedisTicketStoreOptions } from './auth/redis-ticket-store.ts'
