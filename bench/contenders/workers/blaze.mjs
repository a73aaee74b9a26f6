import { clusterBroker } from '../../../dist/esm/cluster.js'
import { startNode } from './node.mjs'

export const run = 'workers'

export const start = () => startNode({ broker: clusterBroker() })
