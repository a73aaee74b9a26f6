// A broker over Redis
export { redisBroker, type RedisBrokerOptions, type RedisClient } from './brokers/redis/broker.ts'

// Tickets that are valid on all servers with the same Redis
export { redisTicketStore, type RedisTicketClient, type RedisTicketStoreOptions } from './auth/redis-ticket-store.ts'
