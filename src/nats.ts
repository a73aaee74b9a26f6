// A broker over NATS
export { natsBroker, type NatsBrokerOptions, type NatsClient } from './brokers/nats/broker.ts'
