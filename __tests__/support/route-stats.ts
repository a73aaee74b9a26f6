import type { RouteStats } from '../../src/index.ts'

/** The numbers of a route that nobody has asked for. */
export const NO_STATS: RouteStats = {
  open: 0,
  opened: 0,
  refused: {},
  closed: {},
  messagesIn: 0,
  messagesOut: 0,
  bytesIn: 0,
  bytesOut: 0,
  errors: 0,
  slow: 0
}
