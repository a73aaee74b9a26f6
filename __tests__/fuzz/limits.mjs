/** The limits of the fuzzed route: small, so that they are met often. */
export const ROUTE = { maxMessageSize: 70_000, maxFragments: 64 }

/** What the oracle goes by. */
export const LIMITS = ROUTE
