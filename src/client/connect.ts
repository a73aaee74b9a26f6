import type { AnyContract } from '../contract/types.ts'
import { UntypedClient } from './client.ts'
import { settingsOf } from './options.ts'
import type { Client, ConnectOptions } from './types.ts'

/**
 * Connects to a contract route, and stays connected until `close()`. The socket opens in a later task, so listeners can be added
 * first. Incoming data is typed by the contract; validators stay on the server.
 *
 * @throws TypeError that names the option, if one is invalid.
 */
export function connect<C extends AnyContract>(contract: C, options: ConnectOptions): Client<C>
/** `connect<typeof chat>({ … })` with `import type { chat }`: nothing of the contract gets into the bundle. */
export function connect<C extends AnyContract>(options: ConnectOptions): Client<C>
export function connect(first: object, options = first as ConnectOptions): unknown {
  return new UntypedClient(settingsOf(options))
}
