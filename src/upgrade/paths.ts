import findMyWay from 'find-my-way'
import type { FastifyInstance, RouteOptions } from 'fastify'

const ignore = (): void => {}

/** The paths of an application, as Fastify's own router sees them, and which of them are WebSocket routes. */
export class Paths {
  readonly #app: FastifyInstance
  readonly #isWebSocket = new Map<string, boolean>()
  #router: ReturnType<typeof findMyWay> | undefined

  constructor(app: FastifyInstance) {
    this.#app = app
  }

  /** An onRoute hook. */
  add({ url, method, websocket, wsHandler }: RouteOptions): void {
    if (![method].flat().includes('GET')) return
    // One path may have several routes, for several hosts or versions.
    this.#isWebSocket.set(url, this.#isWebSocket.get(url) === true || websocket === true || wsHandler !== undefined)
    this.#router = undefined
  }

  /** True where an upgrade to this URL is for a WebSocket route. */
  isWebSocket(url: string): boolean {
    this.#router ??= this.#makeRouter()
    const path = (/^[^?#]*/.exec(url) as RegExpExecArray)[0]
    return this.#router.find('GET', path)?.store === true
  }

  #makeRouter(): ReturnType<typeof findMyWay> {
    const { initialConfig } = this.#app
    const { ignoreTrailingSlash, ignoreDuplicateSlashes, caseSensitive, maxParamLength } = { ...initialConfig, ...initialConfig.routerOptions }
    const given = Object.entries({ ignoreTrailingSlash, ignoreDuplicateSlashes, caseSensitive, maxParamLength }).filter(([, value]) => value !== undefined)
    const router = findMyWay(Object.fromEntries(given))
    for (const [url, isWebSocket] of this.#isWebSocket) router.on('GET', url, ignore, isWebSocket)
    return router
  }
}
