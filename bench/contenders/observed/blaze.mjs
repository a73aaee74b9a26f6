// Without a subscriber.
export { start } from '../blaze.mjs'
