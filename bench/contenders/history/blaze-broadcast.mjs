import { startHistory } from './server.mjs'

export const start = (options) => startHistory('broadcast', options)
