/** What a driver tells its broker. */
export interface RedisEvents {
  message(channel: string, message: Buffer): void
  /** A connection is lost, or could not be made. */
  lost(error: Error): void
}

/**
 * One client library, seen as what a broker needs of it: two connections of its own, made like the client that it was given. A
 * command waits for the first connection; without one it is refused at once.
 */
export interface RedisDriver {
  publish(channel: string, message: Buffer): Promise<unknown>
  subscribe(channels: readonly string[]): Promise<unknown>
  unsubscribe(channels: readonly string[]): Promise<unknown>
  /** Resolves when both connections answer and all subscriptions are in force. */
  check(): Promise<unknown>
  close(): void
}

/** How long a connection may take, in milliseconds. */
export const CONNECT_TIMEOUT = 5_000
/** A connection on which nothing has come for so long, though it was asked, is dead, in milliseconds. */
export const SOCKET_TIMEOUT = 15_000

/** When to try again, in milliseconds, after so many attempts. */
export function retryDelay(attempts: number): number {
  return Math.min(attempts * 50, 500)
}

/** How many channels stand in one command: a function of JavaScript takes no more than some ten thousand arguments. */
const CHANNELS = 1_000

/** Does for parts of a list what cannot be done for all of it at once. */
export function inParts(channels: readonly string[], act: (part: string[]) => Promise<unknown>): Promise<unknown> {
  const acts: Promise<unknown>[] = []
  for (let i = 0; i < channels.length; i += CHANNELS) acts.push(act(channels.slice(i, i + CHANNELS)))
  return Promise.all(acts)
}

/** Where a server answers a PING that it cannot write to its disk, or that a user may not ask, it is there all the same. */
export async function answered(ping: Promise<unknown>): Promise<void> {
  try {
    await ping
  } catch (error) {
    if (!/^(MISCONF|NOPERM)\b/.test((error as Error).message)) throw error
  }
}
