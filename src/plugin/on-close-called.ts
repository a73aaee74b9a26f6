import type { FastifyInstance } from 'fastify'

/**
 * Calls `onCall` as soon as `app.close()` is called. A `preClose` hook would be too late: it runs after the hooks of other plugins,
 * which may take a while, and connections should know at once that the server is closing.
 */
export function onCloseCalled(app: FastifyInstance, onCall: () => void): void {
  const close = app.close.bind(app) as (...args: unknown[]) => unknown
  app.close = ((...args: unknown[]) => {
    onCall()
    return close(...args)
  }) as FastifyInstance['close']
}
