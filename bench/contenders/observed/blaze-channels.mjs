// With a subscriber of each channel, which counts.
import { subscribe } from 'node:diagnostics_channel'
import blazeWs from '../../../dist/esm/index.js'
import { startWith } from '../blaze.mjs'

const NAMES = [
  'connection.open',
  'connection.close',
  'connection.refused',
  'message.in',
  'message.out',
  'broadcast',
  'publish',
  'slow',
  'call'
]
const counts = new Map(NAMES.map((name) => [name, 0]))

export const start = (options) =>
  startWith(blazeWs, options, () => {
    for (const name of NAMES) subscribe(`fastify-blaze-ws:${name}`, () => counts.set(name, counts.get(name) + 1))
  })
