import type { FastifyRequest } from 'fastify'

interface LogController {
  isLogDisabled(request: FastifyRequest): boolean
}

/**
 * True where the application wants no line in the log for this request: by Fastify's `disableRequestLogging`, or by a
 * `LogController` of its own.
 */
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
 * Fastify keeps its controller on the root instance, under a symbol that only its description tells; older versions have none. A
 * test fails where a new version keeps it elsewhere.
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
