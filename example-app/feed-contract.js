import { defineContract } from 'fastify-blaze-ws/contract'
import { roomEvents } from './public/chat-contract.js'

/** What operators hear: the events of all rooms. */
export const feedContract = defineContract({
  name: 'feed',
  version: '1.0.0',
  description: 'The events of all rooms, for operators',
  fromServer: roomEvents
})
