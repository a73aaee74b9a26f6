import type { FastifyInstance } from 'fastify'
import { allowAllOrigins } from '../config/origin.ts'
import { endpointOf } from './route-endpoint.ts'

/** The warning names this many routes at most. */
const MAX_NAMES = 10
/** It shows this many characters of each name. */
const MAX_NAME_LENGTH = 80

/** Logs a warning when a production server is ready, if it has routes that any web page may connect to. */
export function warnAboutOpenRoutes(app: FastifyInstance): void {
  const open = new Set<string>()
  app.addHook('onRoute', (route) => {
    if (endpointOf(route.config)?.config.checkOrigin === allowAllOrigins) open.add(route.url)
  })
  app.addHook('onReady', async () => {
    if (open.size === 0 || process.env['NODE_ENV'] !== 'production') return
    app.log.warn(
      `WebSocket routes allow all origins: any web page can connect with the cookies of its visitor; set checkOrigin for ${listOf([...open])}`
    )
  })
}

function listOf(names: readonly string[]): string {
  const listed = names.slice(0, MAX_NAMES).map(shorten)
  const more = names.length - listed.length
  return more > 0 ? `${listed.join(', ')} and ${more} more` : listed.join(', ')
}

function shorten(name: string): string {
  return name.length > MAX_NAME_LENGTH ? `${name.slice(0, MAX_NAME_LENGTH)}…` : name
}
