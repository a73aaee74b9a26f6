/** What a driver tells its broker. */
export interface RedisEvents {
  message(channel: string, message: Buffer): void
  /** A connection is lost, could not be made, or no longer carries all subscriptions. */
  lost(error: Error): void
}

/**
 * Publishes and subscribes over connections of its own. A command waits for the first connection; without one it is refused at
 * once.
 */
export interface RedisDriver {
  publish(channel: string, message: Buffer): Promise<unknown>
  subscribe(channels: readonly string[]): Promise<unknown>
  unsubscribe(channels: readonly string[]): Promise<unknown>
  /** Resolves when all connections answer and all subscriptions are in force. */
  check(): Promise<unknown>
  close(): void
}

/** One connection to one server. It is used once: when it has ended, another takes its place. */
export interface RedisSession {
  /** Resolves when commands can be sent. */
  connect(): Promise<unknown>
  publish(channel: string, message: Buffer): Promise<unknown>
  subscribe(channels: readonly string[]): Promise<unknown>
  unsubscribe(channels: readonly string[]): Promise<unknown>
  ping(): Promise<unknown>
  close(): void
}

/** What a session reports. */
export interface SessionEvents {
  message(channel: string, message: Buffer): void
  /** The connection is over. It may be said several times. */
  ended(error: Error): void
  /** The server has ended subscriptions, because it no longer has their slot. */
  moved(): void
}

/** Which server of a cluster has which slot. */
export interface Topology {
  /** The addresses of the masters. */
  readonly masters: readonly string[]
  masterOf(slot: number): string | undefined
}

/** A client library, seen as what the drivers need of it. All connections are made like the client of the application. */
export interface RedisLibrary {
  /** There are several servers, and which one is right can change: a cluster, or a master that sentinels name. */
  readonly canMove: boolean
  /** Makes a connection to the only server, or to this one of the last topology. It is not connected yet. */
  open(events: SessionEvents, isSharded: boolean, server?: string): RedisSession
  /** Asks a cluster for its servers. */
  discover(): Promise<Topology>
}

/** How long a connection may take, in milliseconds. */
export const CONNECT_TIMEOUT = 5_000
/** A connection on which nothing has come for so long, though it was asked, is dead, in milliseconds. */
export const ANSWER_TIMEOUT = 15_000

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

/** A server that answers that it cannot write to its disk, or that a user may not ask, is there all the same. */
export function isAnswer(error: unknown): boolean {
  return /^(MISCONF|NOPERM)\b/.test((error as Error).message)
}

/** A server that has not, or no longer, the slot of a channel: the topology that led there is out of date. */
export function isMisplaced(error: unknown): boolean {
  return /^(MOVED|ASK|CLUSTERDOWN|TRYAGAIN)\b/.test((error as Error).message)
}

/** Resolves where a command was answered, if only with a refusal. */
export async function answered(command: Promise<unknown>): Promise<void> {
  try {
    await command
  } catch (error) {
    if (!isAnswer(error)) throw error
  }
}
