import type { FastifyInstance, RouteShorthandOptions } from 'fastify'
import { check, type Checks, validateOptions } from '../internal/validate.ts'

/** The options of the dashboard. Give it one of the hooks: they guard each of its routes. */
export interface DashboardOptions {
  /** Runs before anything else, as a hook of the routes of the page: its document, scripts, styles, data and actions. @default none */
  onRequest?: RouteShorthandOptions['onRequest']
  /** The same, after the hooks of the application. @default none */
  preHandler?: RouteShorthandOptions['preHandler']
}

/** The names of the hooks, in the order in which they run. */
const HOOKS = ['onRequest', 'preHandler'] as const
type HookFunction = () => void

const hooks = check<never>(
  (value) => [value].flat().every((one) => typeof one === 'function'),
  'must be a function or a list of functions'
)
const CHECKS: Checks<DashboardOptions> = { onRequest: hooks, preHandler: hooks }

/**
 * Checks the options of the dashboard and adds its hooks to its instance.
 *
 * @throws FST_BLAZE_WS_INVALID_OPTION
 */
export function addHooks(app: FastifyInstance, options: object): void {
  // Fastify passes its own options of `register` along with ours.
  const {
    prefix: _prefix,
    logLevel: _logLevel,
    logSerializers: _logSerializers,
    ...own
  } = options as Record<string, unknown>
  const resolved = validateOptions(own, 'dashboard', CHECKS, {})
  for (const name of HOOKS)
    for (const hook of [resolved[name] ?? []].flat()) app.addHook(name as 'onRequest', hook as HookFunction)
  if (resolved.onRequest === undefined && resolved.preHandler === undefined) warnAboutOpenPage(app)
}

/**
 * Logs a warning when the server is ready. Unlike the one about open routes, also outside production: who sees the page can end every
 * connection.
 */
function warnAboutOpenPage(app: FastifyInstance): void {
  app.addHook('onReady', async () => {
    app.log.warn(
      'the dashboard is open to everybody, and can disconnect clients: give it an onRequest or preHandler hook, or onRequest: [] if it is guarded elsewhere'
    )
  })
}
