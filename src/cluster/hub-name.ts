import { check } from '../internal/validate.ts'

/** Checks the name of a hub, which is part of the names of its channels. @throws FST_BLAZE_WS_INVALID_OPTION */
export const checkHubName = check<string>(
  (value) => typeof value === 'string' && /^[\w.-]{1,32}$/.test(value),
  'must be 1 to 32 letters, digits, dots, dashes or underscores'
)
