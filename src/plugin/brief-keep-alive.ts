import type { Server } from 'node:http'

/** How long a connection is kept for a next request while the server closes, in milliseconds. */
const BRIEF = 1_000

/**
 * Keeps connections only briefly after requests that end from now on. `server.close()` ends connections that are idle when it is called,
 * but waits for those that become idle later: with Fastify's `keepAliveTimeout`, for more than a minute.
 */
export function keepAliveBriefly(server: Server): void {
  // 0 means without end.
  server.keepAliveTimeout = Math.min(server.keepAliveTimeout || BRIEF, BRIEF)
}
