// Tells the errors of Redis apart by the first word of their message, and makes errors of them that an application can tell apart.

import { errors } from '../../internal/errors.ts'

/** True if the server works, but cannot write to its disk or denies the command to this user. */
export function isRefusal(error: unknown): boolean {
  return /^(MISCONF|NOPERM)\b/.test((error as Error).message)
}

/** True if the command was for a slot that the server does not have, or no longer has. Then the known topology is out of date. */
export function isWrongServer(error: unknown): boolean {
  return /^(MOVED|ASK|CLUSTERDOWN|TRYAGAIN)\b/.test((error as Error).message)
}

/**
 * True if the server is a replica, for example a former master. Before Redis 7, the message begins with the script and the line, and
 * proxies of clouds begin it with ERR.
 */
export function isReadOnly(error: unknown): boolean {
  return /(?:^|^ERR |: -)READONLY\b/.test((error as Error).message)
}

/** Resolves if the server has answered a command, even if it has refused it. */
export async function ignoreRefusal(command: Promise<unknown>): Promise<void> {
  try {
    await command
  } catch (error) {
    if (!isRefusal(error)) throw error
  }
}

/** What does not work, by the errors that say so. */
const reasons = new WeakMap<Error, string>()

/** A FST_BLAZE_WS_BROKER_UNAVAILABLE error that says what does not work, and why, if that is known. */
export function unavailable(what: string, cause?: Error): Error {
  if (cause instanceof errors.BROKER_UNAVAILABLE) return cause
  const reason = cause === undefined ? what : `${what}: ${messageOf(cause)}`
  const error = Object.assign(new errors.BROKER_UNAVAILABLE(reason), cause !== undefined && { cause })
  reasons.set(error, reason)
  return error
}

/** What an error says, for one of another name. */
export function reasonOf(error: Error): string {
  return reasons.get(error) ?? messageOf(error)
}

/** The error of an attempt to connect to several addresses has no message of its own, only those of the attempts. */
function messageOf(error: Error & { code?: string; errors?: Error[] }): string {
  return error.message || error.errors?.map(({ message }) => message).join(', ') || (error.code ?? error.name)
}
