import type { Server } from 'node:http'
import type { FastifyBaseLogger } from 'fastify'
import type { UpgradeArguments, UpgradeListener } from './upgrade-event.ts'

/** The listeners of a server's `upgrade` event that are not ours. */
export class OtherListeners {
  readonly #server: Server | undefined
  readonly #own: UpgradeListener
  readonly #log: FastifyBaseLogger
  #running: UpgradeListener | undefined
  /** The listener of `@fastify/websocket` if the application registered it. It is known after its first call. */
  #websocketListener: UpgradeListener | undefined
  /** Listeners that answer upgrades with Fastify's routes, as `@fastify/http-proxy` does. */
  readonly #routing = new WeakSet<UpgradeListener>()

  constructor(server: Server | undefined, own: UpgradeListener, log: FastifyBaseLogger) {
    this.#server = server
    this.#own = own
    this.#log = log
  }

  get isEmpty(): boolean {
    return this.#list().length === 0
  }

  /** True while one of them runs. */
  get isRunning(): boolean {
    return this.#running !== undefined
  }

  /** True if each of them only passes upgrades on to Fastify's routes. */
  get hasOnlyRouting(): boolean {
    return this.#list().every((listener) => this.#routing.has(listener))
  }

  call(...args: UpgradeArguments): void {
    for (const listener of this.#list()) this.#call(listener, args)
  }

  /** The running listener has passed an upgrade to Fastify's routes. */
  recordRouting(isWebsocketPlugin: boolean): void {
    if (this.#running === undefined) return
    if (isWebsocketPlugin) this.#websocketListener = this.#running
    else this.#routing.add(this.#running)
  }

  #list(): UpgradeListener[] {
    const listeners = (this.#server?.rawListeners('upgrade') ?? []) as UpgradeListener[]
    return listeners.filter((listener) => listener !== this.#own && listener !== this.#websocketListener)
  }

  #call(listener: UpgradeListener, args: UpgradeArguments): void {
    const onError = (error: unknown): void => this.#log.error({ err: error }, 'a listener of the upgrade event failed')
    this.#running = listener
    try {
      const result: unknown = Reflect.apply(listener, this.#server, args)
      if (result instanceof Promise) result.catch(onError)
    } catch (error) {
      onError(error)
    }
    this.#running = undefined
  }
}
