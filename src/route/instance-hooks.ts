import type { FastifyInstance, RouteOptions } from 'fastify'
import type { Endpoint } from '../upgrade/upgrade-endpoint.ts'
import type { Handshakes } from '../upgrade/handshakes.ts'
import type { Refusals } from '../upgrade/refusals.ts'
import type { RouteProbe } from '../upgrade/route-probe.ts'
import { endpointOf } from './route-endpoint.ts'

/** Adds the plugin's hooks to every Fastify instance that has WebSocket routes. */
export class InstanceHooks {
  readonly #probe: RouteProbe
  readonly #handshakes: Handshakes
  readonly #refusals: Refusals
  readonly #instances = new WeakSet<FastifyInstance>()
  readonly #wrapped = new WeakSet<Endpoint>()

  constructor(probe: RouteProbe, handshakes: Handshakes, refusals: Refusals) {
    this.#probe = probe
    this.#handshakes = handshakes
    this.#refusals = refusals
  }

  /**
   * Adds the hooks to an instance, unless it has them. An instance inherits the hooks that its parent has when the instance is
   * made, so an instance from before the plugin was registered has none of ours.
   */
  addTo(instance: FastifyInstance): void {
    if (this.#instances.has(instance)) return
    this.#instances.add(instance)
    instance.addHook('onRegister', (child) => void this.#instances.add(child))
    instance.addHook('onRoute', (options) => this.#onRoute(options))
    instance.addHook('onRequest', (request, reply, done) => {
      this.#refusals.onRequest(request, reply)
      done()
    })
  }

  #onRoute(options: RouteOptions): void {
    const endpoint = endpointOf(options.config)
    const isWebSocket = options.websocket === true || options.wsHandler !== undefined || endpoint !== undefined
    this.#probe.mark(options, isWebSocket)
    if (endpoint !== undefined) this.#wrapHandler(options, endpoint)
  }

  /** Has the handshake completed in front of the route's handler. It runs after `@fastify/websocket` has wrapped the handler. */
  #wrapHandler(options: RouteOptions, endpoint: Endpoint): void {
    if (options.method !== 'GET' || this.#wrapped.has(endpoint)) return
    this.#wrapped.add(endpoint)
    options.handler = this.#handshakes.wrapHandler(endpoint, options.handler)
  }
}
