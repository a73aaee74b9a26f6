import { startNode } from './node.mjs'

export const run = 'one node'

export const start = () => startNode({})
