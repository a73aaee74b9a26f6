/**
 * The types of the values that `setLocal` and `getLocal` keep. Declare your own by merging:
 *
 * ```ts
 * declare module 'fastify-blaze-ws' {
 *   interface WebSocketLocals { user: User }
 * }
 * ```
 */
// oxlint-disable-next-line typescript/no-empty-object-type -- filled by declaration merging
export interface WebSocketLocals {}
