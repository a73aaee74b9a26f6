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
