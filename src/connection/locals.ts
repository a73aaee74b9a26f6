/**
 * The types of what `setLocal` and `getLocal` keep: declare yours by merging.
 *
 * ```ts
 * declare module 'fastify-blaze-ws' {
 *   interface WebSocketLocals { user: User }
 * }
 * ```
 */
// oxlint-disable-next-line typescript/no-empty-object-type -- filled by declaration merging
export interface WebSocketLocals {}
