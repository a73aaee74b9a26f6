import type { Notice, Request } from './frames.ts'

/** What a line reports to a broker. */
export interface LineListener {
  onNotice(notice: Notice): void
  /** The primary cannot be reached any more. */
  onLost(): void
}

/** The way from a broker to the primary of node:cluster. Requests arrive in order, or not at all. */
export interface Line {
  /** False if the primary is known to be gone. */
  readonly isConnected: boolean
  /** Notices for this member go to the listener. A second call is harmless. */
  open(member: string, listener: LineListener): void
  send(request: Request): void
  close(member: string): void
}
