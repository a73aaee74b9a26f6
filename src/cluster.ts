// A broker for all cores of one machine, without an engine
export { clusterBroker, type ClusterBrokerOptions } from './brokers/workers/cluster-broker.ts'
export { connectWorkers } from './brokers/workers/connect-workers.ts'
