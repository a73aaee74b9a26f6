import { ContractError } from 'fastify-blaze-ws/contract'

/** An error whose message is for the guest: the request cannot be done. The contract declares its codes. */
export class Refusal extends ContractError {
  /** The status of the reply, if the request came over HTTP. */
  statusCode = 400

  constructor(message, code = 'refused') {
    super(code, message)
  }
}

export const MAX_NAME = 24

/** The name as it will be shown, without invisible characters. */
export function checkName(value) {
  return checkText(value, 'name', MAX_NAME).replace(/\s+/g, ' ')
}

/** The normalized name of a room: `Coffee Break` is `coffee-break`. It has no colon, because names.js uses one. */
export function checkRoom(value) {
  const room = checkText(value, 'room name', 32).toLowerCase().replace(/\s+/g, '-')
  if (!/^[\p{L}\p{N}_-]+$/u.test(room)) throw new Refusal('A room name has letters, digits, - and _ only.')
  return room
}

/** The secret of a client, which we only compare. */
export function checkKey(value) {
  if (typeof value !== 'string' || value.length === 0 || value.length > 64) throw new Refusal('The key is not valid.')
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
