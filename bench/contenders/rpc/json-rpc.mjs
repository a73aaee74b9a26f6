// JSON-RPC 2.0 as a contract route speaks it, and a raw route that does the same by hand.
import { exchangesOf, move, rename, renamed } from './traffic.mjs'

export const exchanges = exchangesOf({
  event: JSON.stringify({ jsonrpc: '2.0', method: 'move', params: move }),
  done: JSON.stringify({ jsonrpc: '2.0', method: 'done' }),
  call: (id) => JSON.stringify({ jsonrpc: '2.0', id, method: 'rename', params: rename }),
  answer: (id) => JSON.stringify({ jsonrpc: '2.0', id, result: renamed })
})

export const wire = { wrap: (params) => `{"jsonrpc":"2.0","method":"price","params":${params}}` }
