/** The limits of the fuzzed route: small, so that they are reached often. */
export const ROUTE = { maxMessageSize: 70_000, maxFragments: 64 }

/** The limits that the oracle uses. */
export const LIMITS = ROUTE
