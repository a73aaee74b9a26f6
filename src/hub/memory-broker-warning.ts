import cluster from 'node:cluster'
import type { Broker } from '../brokers/broker.ts'
import { isMemoryBroker } from '../brokers/memory.ts'
import { shared } from '../internal/package-copies.ts'

/** A process warns once, however many hubs it has. */
const warning = shared('memory-broker-warning', () => ({ isGiven: false }))

/** Who gives the hubs of workers a memory broker expects them to reach each other. */
export function warnOfMemoryBroker(broker: Broker, logger: { warn(text: string): void } | undefined): void {
  if (!cluster.isWorker || logger === undefined || warning.isGiven || !isMemoryBroker(broker)) return
  warning.isGiven = true
  logger.warn(
    "memoryBroker() does not reach the other workers of node:cluster; use clusterBroker() of 'fastify-blaze-ws/cluster'"
  )
}
