import type { FastifyRequest } from 'fastify'
import { describe } from '../internal/errors.ts'
import { allowAllOrigins, type CheckOrigin, cut, explanationOf } from './origin.ts'
import type { WebSocketConfig } from './route-config.ts'

/** Makes the origin checks of route configurations log the clients that they refuse. */
export class OriginLog {
  /** Routes with the same configuration share their `ws` server, so each configuration gets only one logging copy. */
  readonly #copies = new Map<WebSocketConfig, WebSocketConfig>()

  /** The configuration with a check that logs its refusals. */
  addTo(config: WebSocketConfig): WebSocketConfig {
    if (config.checkOrigin === allowAllOrigins) return config
    const copy = this.#copies.get(config) ?? { ...config, checkOrigin: withLog(config.checkOrigin) }
    this.#copies.set(config, copy)
    return copy
  }
}

function withLog(check: CheckOrigin): CheckOrigin {
  const logIfRefused = (request: FastifyRequest, isAllowed: boolean): boolean => {
    if (isAllowed !== true) logRefusal(request, check, isAllowed)
    return isAllowed
  }
  return (request) => {
    const result = check(request)
    if (typeof (result as Partial<Promise<boolean>> | undefined | null)?.then !== 'function')
      return logIfRefused(request, result as boolean)
    return Promise.resolve(result).then((isAllowed) => logIfRefused(request, isAllowed))
  }
}

function logRefusal(request: FastifyRequest, check: CheckOrigin, result: unknown): void {
  const { origin } = request.headers
  const details = { origin: origin && cut(origin), ...explanationOf(check, request), ...hintFor(result) }
  request.log.info(details, 'websocket refused with 403: checkOrigin does not allow its origin')
}

/** A check without a `return` refuses every client. The log points out the mistake. */
function hintFor(result: unknown): { hint?: string } {
  return typeof result === 'boolean' ? {} : { hint: `checkOrigin must return true or false, got ${describe(result)}` }
}
