// What the contenders of the contract rows exchange. Each has its own envelope for it.

/** The data of an event that clients send. */
export const move = { x: 120.5, y: 64.25, pressure: 0.75, tool: 'pen', at: 1_700_000_000 }

/** The input and the output of a call. */
export const rename = { name: 'Ann Example', room: 'lobby' }
export const renamed = { name: 'Ann Example', length: 11 }

/** What the function for the call does. */
export const lengthOf = ({ name }) => ({ name, length: name.length })

/** The data of an event that the server broadcasts. */
export const price = { symbol: 'SYM1', bid: 101.25, ask: 101.5, volume: 12_500, at: 1_700_000_000 }

/**
 * One group of messages of a client and the answers to it, by what they are. A client sends its next group after the answers.
 * The last event of a group is answered, so that the client knows when to go on. Calls need different ids.
 *
 * @param text the texts of the envelope: `event` and `done`, or functions of an id: `call` and `answer`
 */
export const exchangesOf = ({ event, done, call, answer }) => ({
  ...(event && { event: (size) => ({ requests: Array.from({ length: size }, () => event), answers: [done] }) }),
  ...(call && { call: (size) => ({ requests: texts(size, call), answers: texts(size, answer) }) })
})

const texts = (size, textOf) => Array.from({ length: size }, (_, i) => textOf(10 + i))

/** Counts the events of one connection. True for the last event of a group. */
export function groups(size) {
  let count = 0
  return () => ++count % size === 0
}
