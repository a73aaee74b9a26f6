import type { OutgoingHttpHeaders } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { isContract } from '../contract/definition.ts'
import type { AnyContract, Contract } from '../contract/types.ts'
import { errors, describe } from '../internal/errors.ts'
import { check, type Checks, validateOptions } from '../internal/validate.ts'
import { ContractTestClient as UntypedClient } from './contract-client.ts'
import { TestClient } from './raw-client.ts'
import type { ContractTestClient, ContractTestClientOptions, TestClientOptions } from './types.ts'

type AnyOptions = TestClientOptions & Partial<ContractTestClientOptions<AnyContract>>

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value)
const object = check<never>(isObject, 'must be an object')
const CHECKS: Checks<AnyOptions> = {
  contract: check(isContract, 'must be made by defineContract'),
  headers: object,
  auth: (value) => value,
  positions: object
}

/**
 * Connects a client to a WebSocket route, in memory: the server need not listen. With a contract the client speaks its events,
 * calls and asks; without one it sends and gets messages as they are. A server that is not ready is made ready.
 *
 * @param path with the query string, such as `/chat/lobby?name=Ann`.
 * @throws UpgradeError if the server answers the upgrade with an HTTP status. It has `statusCode`, `headers` and `body`.
 * @throws CloseError if the server refuses the client's `auth` or closes for another reason before it lets the client in.
 * @throws FST_BLAZE_WS_INVALID_OPTION if an option is unknown or has a value that is not allowed. All errors are rejections.
 */
export function testClient<C extends AnyContract>(
  app: AnyInstance,
  path: string,
  options: ContractTestClientOptions<C>
): Promise<ContractTestClient<C>>
export function testClient(app: AnyInstance, path: string, options?: TestClientOptions): Promise<TestClient>
export async function testClient(app: AnyInstance, path: string, options?: AnyOptions): Promise<unknown> {
  const { contract, headers = {}, auth, positions } = validateOptions<AnyOptions, object>(options, '', CHECKS, {})
  if (typeof path !== 'string' || !path.startsWith('/'))
    throw new errors.INVALID_ARGUMENT('path', `must be a string that begins with "/", got ${describe(path)}`)
  if (contract === undefined && (auth !== undefined || positions !== undefined))
    throw new errors.INVALID_ARGUMENT('options', 'has auth or positions, which need a contract')
  if (!hasStarted(app)) await app.ready()
  const request = { app: app as unknown as FastifyInstance, path, ...requestHeaders(headers) }
  if (contract === undefined) return TestClient.open(request)
  return UntypedClient.open(request, contract as Contract, { auth, positions })
}

/** An instance with any server, logger and type provider. */
export interface AnyInstance {
  ready(): PromiseLike<unknown>
  addHook: unknown
  readonly server: unknown
}

/**
 * True once the server takes requests. `ready()` would also tell, but not with fake timers: it waits for `process.nextTick`, which
 * those of Jest stop.
 */
function hasStarted(app: AnyInstance): boolean {
  try {
    ;(app.addHook as () => void)()
    return false
  } catch (error) {
    return (error as { code?: unknown }).code === 'FST_ERR_INSTANCE_ALREADY_LISTENING'
  }
}

/** `ws` wants the subprotocols for itself. */
function requestHeaders(given: OutgoingHttpHeaders): { headers: OutgoingHttpHeaders; protocols: string[] } {
  const headers = Object.fromEntries(Object.entries(given).map(([name, value]) => [name.toLowerCase(), value]))
  const { 'sec-websocket-protocol': offered = [], ...others } = headers
  const protocols = String(offered)
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  return { headers: others, protocols }
}
