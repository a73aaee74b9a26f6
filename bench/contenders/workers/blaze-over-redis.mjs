export { start } from '../cluster/blaze.mjs'
