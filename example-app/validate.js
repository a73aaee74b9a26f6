/** A wish that is not granted; its text is for the person who asked. */
export class Refusal extends Error {
  /** Of an answer over HTTP. */
  statusCode = 400
}

export const MAX_NAME = 24

/** The name as it will be shown, without what cannot be seen. */
export function checkName(value) {
  return checkText(value, 'name', MAX_NAME).replace(/\s+/g, ' ')
}

/** The room in the one spelling it is known by: `Coffee Break` and `coffee-break` are the same room. See `names.js` for why no colon. */
export function checkRoom(value) {
  const room = checkText(value, 'room name', 32).toLowerCase().replace(/\s+/g, '-')
  if (!/^[\p{L}\p{N}_-]+$/u.test(room)) throw new Refusal('A room name has letters, digits, - and _ only.')
  return room
}

export function checkMessage(value) {
  if (typeof value !== 'string' || value.trim() === '') throw new Refusal('The message is empty.')
  if (value.length > 2000) throw new Refusal('The message is longer than 2000 characters.')
  return value.trim()
}

/** A value that a client made up for itself and that we only hand back or compare. */
export function checkKey(value) {
  if (typeof value !== 'string' || value.length === 0 || value.length > 64)
    throw new Refusal('The message has no valid key.')
  return value
}

function checkText(value, what, max) {
  if (typeof value !== 'string') throw new Refusal(`The ${what} is missing.`)
  const text = value
    .toWellFormed()
    .normalize('NFKC')
    .replace(/[\p{Cc}\p{Cf}]/gu, '')
    .trim()
  if (text === '') throw new Refusal(`The ${what} is empty.`)
  if (text.length > max) throw new Refusal(`The ${what} is longer than ${max} characters.`)
  return text
}
