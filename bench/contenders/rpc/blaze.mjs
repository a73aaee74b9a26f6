// A contract route with JSON Schemas.
import { startWith } from './contract-server.mjs'

export { exchanges, wire } from './json-rpc.mjs'

const object = (properties) => ({ type: 'object', properties, required: Object.keys(properties) })
const string = { type: 'string', maxLength: 64 }
const number = { type: 'number' }
const integer = { type: 'integer' }

const schemas = {
  move: object({ x: number, y: number, pressure: number, tool: string, at: integer }),
  price: object({ symbol: string, bid: number, ask: number, volume: integer, at: integer }),
  rename: object({ name: string, room: string }),
  renamed: object({ name: string, length: integer })
}

export const start = (options) => startWith(schemas, options)
