/** The limits of the fuzzed route: small, so that they are met often. */
export const ROUTE = { maxMessageSize: 70_000, maxFragments: 64 }

/**
 * What the oracle goes by. The size of a message is the route's matter, and the RFC names no time at which it has to be
 * looked at: a server may do that when the message is complete, as long as what it holds until then is not much more.
 */
export const LIMITS = { ...ROUTE, slack: 64 }
