import type { FastifyRequest } from 'fastify'

interface LogController {
  isLogDisabled(request: FastifyRequest): boolean
}

/** True if the application disabled logging for this request, with `disableRequestLogging` or a `LogController` of its own. */
export function isRequestLoggingDisabled(request: FastifyRequest): boolean {
  const controller = controllerOf(request.server)
  if (controller !== undefined) return controller.isLogDisabled(request)
  const { disableRequestLogging = false } = request.server.initialConfig
  return typeof disableRequestLogging === 'function' ? disableRequestLogging(request) : disableRequestLogging
}

const known = new WeakMap<object, LogController | undefined>()

function controllerOf(server: object): LogController | undefined {
  if (!known.has(server)) known.set(server, findController(server))
  return known.get(server)
}

/**
 * Fastify keeps its log controller on the root instance, under a symbol that can be found only by its description. Older
 * versions have none. A test fails if a new version of Fastify changes this.
 */
function findController(server: object): LogController | undefined {
  for (let owner: object | null = server; owner !== null; owner = Object.getPrototypeOf(owner) as object | null) {
    const symbol = Object.getOwnPropertySymbols(owner).find(
      ({ description }) => description === 'fastify.logController'
    )
    if (symbol !== undefined) return (owner as Record<symbol, LogController>)[symbol]
  }
  return undefined
}
