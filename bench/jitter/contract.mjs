import { defineContract } from '../../dist/esm/contract.js'

const said = {
  type: 'object',
  required: ['number', 'at', 'text'],
  properties: { number: { type: 'integer' }, at: { type: 'integer' }, text: { type: 'string' } }
}

/** `welcome` comes when the client is in the room. */
export const contract = defineContract({ name: 'jitter', fromServer: { said, welcome: null } })
