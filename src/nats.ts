// The hub over NATS
export { natsBroker, type NatsBrokerOptions, type NatsClient } from './brokers/nats.ts'
