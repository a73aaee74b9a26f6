import type { TestClose } from './wire.ts'

/** Why an expectation has failed, if the connection has ended. */
export function closeFailure({ code, reason }: TestClose): string {
  return `before the connection was closed with ${code}${reason === '' ? '' : ` (${reason})`}`
}
