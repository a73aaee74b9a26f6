import cluster from 'node:cluster'
import { isMainThread } from 'node:worker_threads'
import { check, type Checks, validateOptions } from '../../internal/validate.ts'
import type { Broker } from '../broker.ts'
import { switchboardHere } from './connect-workers.ts'
import { PrimaryLine } from './primary-line.ts'
import { SwitchboardBroker } from './switchboard-broker.ts'
import { ThreadBroker } from './thread-broker.ts'
import { workerLine } from './worker-line.ts'

/** The options of `clusterBroker`. */
export interface ClusterBrokerOptions {
  /**
   * Brokers with different names do not reach each other: 1 to 32 letters, digits, dots, dashes or underscores. @default 'blaze'
   */
  name?: string | undefined
}

const CHECKS: Checks<ClusterBrokerOptions> = {
  name: check(
    (value) => typeof value === 'string' && /^[\w.-]{1,32}$/.test(value),
    'must be 1 to 32 letters, digits, dots, dashes or underscores'
  )
}

/**
 * Makes a broker that connects the hubs of one machine without an engine: those of the workers of `node:cluster`, whose primary
 * must call `connectWorkers()`, or those of the threads of a process (`node:worker_threads`). It finds out by itself where it is. In
 * a primary that has called `connectWorkers()`, it reaches the workers.
 *
 * Messages are not stored. If a worker does not read, up to 16 MiB wait for it; further messages are dropped for this worker alone.
 *
 * @throws FST_BLAZE_WS_INVALID_OPTION if an option is unknown or has a wrong value.
 */
export function clusterBroker(options: ClusterBrokerOptions = {}): Broker {
  const { name } = validateOptions(options, 'clusterBroker', CHECKS, { name: 'blaze' })
  // The threads of a worker have no channel to the primary.
  if (isMainThread && cluster.isWorker) return new SwitchboardBroker(workerLine, name)
  if (isMainThread && switchboardHere() !== undefined) return new SwitchboardBroker(new PrimaryLine(), name)
  return new ThreadBroker(name)
}
