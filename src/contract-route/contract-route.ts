import type { FastifyInstance, FastifyRequest } from 'fastify'
import { resolveConfig, type WebSocketConfig } from '../config/route-config.ts'
import type { WebSocketConnection } from '../connection/connection.ts'
import { type Definition, definitionOf, isContract } from '../contract/definition.ts'
import type { Contract } from '../contract/types.ts'
import { describe, errors } from '../internal/errors.ts'
import type { Routes } from '../route.ts'
import { SUBPROTOCOL } from '../rpc/json-rpc.ts'
import { addContract } from '../schemas/contracts.ts'
import type { CallFunctions } from './calls.ts'
import type { ContractConnection } from './contract-connection.ts'
import { ContractSession } from './contract-session.ts'

/** The options of a contract route besides Fastify's route options. */
interface OwnOptions {
  authenticate?: ((auth: unknown, ws: ContractConnection) => unknown) | undefined
  calls?: CallFunctions
  concurrency?: number
  webSocket?: Partial<WebSocketConfig>
}
type Handler = (this: FastifyInstance, ws: ContractConnection, request: FastifyRequest) => unknown

/** A route and its contract, for documents about the server. */
export interface ContractRoute {
  readonly contract: Contract
  readonly url: string
  readonly schema: object | undefined
  readonly security: unknown
  /** The schemas that the route's instance shares, by their ids. */
  sharedSchemas(): Readonly<Record<string, unknown>>
}

/** Adds contract routes. Each is a WebSocket route whose handler reads JSON-RPC. */
export class ContractRoutes {
  /** All routes, in the order in which they were added. */
  readonly added: ContractRoute[] = []
  readonly #routes: Routes

  constructor(routes: Routes) {
    this.#routes = routes
  }

  /** @param base the configuration of routes that leave something out. */
  add(
    instance: FastifyInstance,
    path: string,
    contract: unknown,
    rest: readonly unknown[],
    base: WebSocketConfig
  ): void {
    if (!isContract(contract))
      throw new errors.INVALID_ROUTE(
        `the contract of ${path} must be made by defineContract, got ${describe(contract)}`
      )
    const [handler, given] = typeof rest[0] === 'function' ? rest : [rest[1], rest[0]]
    const { authenticate, calls = {}, concurrency = 1, webSocket = {}, ...options } = optionsOf(path, given)
    const definition = definitionOf(contract)
    assertHandler(path, handler, definition)
    assertFunction(path, 'authenticate', authenticate)
    assertCalls(path, calls, definition)
    assertConcurrency(path, concurrency)
    const config = resolveConfig(webSocket, base, 'webSocket')
    const url = urlOf(instance.prefix, path)
    const compiled = addContract(contract, instance, url)
    const open = (ws: WebSocketConnection, request: FastifyRequest): Promise<void> =>
      new ContractSession(ws, {
        contract,
        compiled,
        handler: handler && ((connection) => handler.call(instance, connection, request)),
        authenticate,
        calls,
        concurrency
      }).run()
    this.#routes.add(instance, path, open, withSubprotocol(config), withCompilers(options, definition))
    const { schema, security } = options as { schema?: object; security?: unknown }
    this.added.push({ contract, url, schema, security, sharedSchemas: () => instance.getSchemas() })
  }
}

/** Like Fastify: two slashes become one, and a path of a prefix is without a slash at its end. */
function urlOf(prefix: string, path: string): string {
  if (prefix !== '' && path === '/') return prefix
  return prefix.endsWith('/') && path.startsWith('/') ? prefix + path.slice(1) : prefix + path
}

function optionsOf(path: string, given: unknown): OwnOptions & Record<string, unknown> {
  if (given === undefined) return {}
  if (given === null || typeof given !== 'object' || Array.isArray(given))
    throw new errors.INVALID_ROUTE(`the options of ${path} must be an object, got ${describe(given)}`)
  return given as OwnOptions & Record<string, unknown>
}

function assertHandler(
  path: string,
  handler: unknown,
  { fromClient, name }: Definition
): asserts handler is Handler | undefined {
  if (typeof handler === 'function') return
  if (handler !== undefined)
    throw new errors.INVALID_ROUTE(`the handler of ${path} must be a function, got ${describe(handler)}`)
  if (Object.keys(fromClient).length > 0)
    throw new errors.INVALID_ROUTE(`${path} needs a handler, because clients of the contract "${name}" send events`)
}

function assertFunction(path: string, key: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'function')
    throw new errors.INVALID_ROUTE(`options.${key} of ${path} must be a function, got ${describe(value)}`)
}

function assertCalls(
  path: string,
  functions: unknown,
  { calls, name }: Definition
): asserts functions is CallFunctions {
  if (functions === null || typeof functions !== 'object')
    throw new errors.INVALID_ROUTE(`options.calls of ${path} must be an object, got ${describe(functions)}`)
  for (const call of Object.keys(functions)) {
    assertFunction(path, `calls.${call}`, (functions as Record<string, unknown>)[call])
    if (!Object.hasOwn(calls, call))
      throw new errors.INVALID_ROUTE(`options.calls.${call} of ${path} is no call of the contract "${name}"`)
  }
  const given = new Map(Object.entries(functions))
  const missing = Object.keys(calls).find((call) => given.get(call) === undefined)
  if (missing !== undefined)
    throw new errors.INVALID_ROUTE(
      `options.calls.${missing} of ${path} is missing: the contract "${name}" has this call`
    )
}

function assertConcurrency(path: string, concurrency: unknown): void {
  if (!Number.isSafeInteger(concurrency) || (concurrency as number) < 1)
    throw new errors.INVALID_ROUTE(
      `options.concurrency of ${path} must be an integer of at least 1, got ${describe(concurrency)}`
    )
}

function withSubprotocol(config: WebSocketConfig): WebSocketConfig {
  return { ...config, subprotocols: [SUBPROTOCOL, ...config.subprotocols.filter((name) => name !== SUBPROTOCOL)] }
}

/** Fastify makes its compilers when a route has schemas. An empty schema makes it do so for the contract's JSON Schemas. */
function withCompilers(options: Record<string, unknown>, definition: Definition): Record<string, unknown> {
  if (!hasJsonSchema(definition)) return options
  const schema = (options.schema ?? {}) as { headers?: object; response?: Record<string, object> }
  const { headers = {}, response = {} } = schema
  return { ...options, schema: { ...schema, headers, response: { 101: {}, ...response } } }
}

function hasJsonSchema({ fromClient, fromServer, calls, asks }: Definition): boolean {
  const inCalls = [calls, asks].flatMap((all) => Object.values(all)).flatMap(({ input, output }) => [input, output])
  const schemas = [...Object.values(fromClient), ...Object.values(fromServer), ...inCalls]
  return schemas.some((schema) => schema !== null && schema !== undefined && !('~standard' in schema))
}
