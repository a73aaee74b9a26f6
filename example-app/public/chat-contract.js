import { defineContract } from 'fastify-blaze-ws/contract'

/*
 * What the chat and its page say to each other. The server checks everything that a client sends against these schemas, and
 * /asyncapi.html shows them.
 */

const object = (properties, optional = []) => ({
  type: 'object',
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
  properties
})
const list = (items) => ({ type: 'array', items })
const string = { type: 'string' }
/** In milliseconds since 1970. */
const time = { type: 'integer' }

const person = object({ id: string, name: string })
const message = object({ id: string, room: string, from: person, text: string, at: time })
const rooms = list(object({ name: string, members: { type: 'integer' } }))

/** What happens in the rooms. Operators hear it, too, see feed-contract.js. */
export const roomEvents = {
  said: message,
  /** `quiet` if the guest was only away for a moment. */
  joined: object({ id: string, room: string, member: person, at: time, quiet: { type: 'boolean' } }),
  left: object({ id: string, room: string, member: person, at: time }),
  announcement: object({ id: string, text: string, at: time })
}

export const chatContract = defineContract({
  name: 'chat',
  version: '1.0.0',
  description: 'Rooms, and the people in them',
  fromClient: {
    typing: object({ active: { type: 'boolean' } }),
    /** Leaves at once, and is answered by closing. A guest who only disconnects has a few seconds to come back. */
    leave: null
  },
  fromServer: {
    ...roomEvents,
    typing: object({ room: string, member: person, active: { type: 'boolean' } }),
    rooms: object({ rooms }),
    notice: object({ text: string }),
    restarting: null
  },
  calls: {
    /** The limits of a name and a room are in validate.js, because it tidies them up first. */
    join: {
      input: object({ name: { type: 'string', maxLength: 100 }, room: { type: 'string', maxLength: 100 } }),
      output: object({ you: person, room: string, members: list(person), rooms, at: time, node: string }, ['node']),
      errors: ['refused', 'taken', 'tooFast']
    },
    /** The answer says that the message is stored; the message itself comes to everyone in the room. */
    say: {
      input: object({ text: { type: 'string', maxLength: 2000, pattern: '\\S' } }),
      errors: ['refused', 'tooFast']
    }
  }
})
