// The hub over Redis
export { redisBroker, type RedisBrokerOptions, type RedisClient } from './brokers/redis/broker.ts'
