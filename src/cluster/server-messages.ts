import secureJson from 'secure-json-parse'
import { describe, errors } from '../internal/errors.ts'
import { jsonOf } from '../internal/payload.ts'
import type { ClusterNode } from './node.ts'
import type { ServerNotice } from './wire/protocol.ts'

/** The longest name of a message, in characters. */
const MAX_NAME = 256
/** The longest data of a message, in bytes of JSON. */
const MAX_DATA = 64 * 1024

/** Gets the data of a message from another server, and the id of that server's node. */
export type ClusterListener<T = unknown> = (data: T, from: { node: string }) => unknown

/** The messages that servers send each other with `hub.cluster.send`. */
export class ServerMessages {
  readonly #node: ClusterNode | undefined
  readonly #onListenerError: (error: unknown, name: string) => void
  /** The sets are replaced and never changed, so that a listener can add and remove listeners. */
  readonly #listeners = new Map<string, ReadonlySet<ClusterListener>>()

  constructor(node: ClusterNode | undefined, onListenerError: (error: unknown, name: string) => void) {
    this.#node = node
    this.#onListenerError = onListenerError
  }

  add(name: string, listener: ClusterListener): void {
    assertMessageName(name)
    if (typeof listener !== 'function')
      throw new errors.INVALID_ARGUMENT('listener', `must be a function, got ${describe(listener)}`)
    this.#listeners.set(name, new Set(this.#listeners.get(name)).add(listener))
  }

  remove(name: string, listener: ClusterListener): void {
    const listeners = new Set(this.#listeners.get(name))
    listeners.delete(listener)
    if (listeners.size > 0) this.#listeners.set(name, listeners)
    else this.#listeners.delete(name)
  }

  send(name: string, data: unknown): void {
    assertMessageName(name)
    const safe = data === undefined ? undefined : safeCopy(data)
    this.#node?.notifyServers({ type: 'message', name, data: safe })
  }

  onNotice(node: string, { name, data }: ServerNotice): void {
    for (const listener of this.#listeners.get(name) ?? []) void this.#call(listener, data, node, name)
  }

  async #call(listener: ClusterListener, data: unknown, node: string, name: string): Promise<void> {
    try {
      await listener(data, { node })
    } catch (error) {
      this.#onListenerError(error, name)
    }
  }
}

function assertMessageName(name: unknown): void {
  if (typeof name !== 'string') throw new errors.INVALID_ARGUMENT('name', `must be a string, got ${describe(name)}`)
  if (name.length === 0 || name.length > MAX_NAME)
    throw new errors.OUT_OF_RANGE('name', `must have 1 to ${MAX_NAME} characters, got ${name.length}`)
}

/** The data as the other servers will get it. They would reject a message whose data could poison a prototype. */
function safeCopy(data: unknown): unknown {
  const json = jsonOf(data)
  const size = Buffer.byteLength(json)
  if (size > MAX_DATA) throw new errors.OUT_OF_RANGE('data', `must be at most ${MAX_DATA} bytes of JSON, got ${size}`)
  try {
    return secureJson.parse(json)
  } catch (error) {
    throw new errors.INVALID_ARGUMENT('data', `is not safe as JSON: ${(error as Error).message}`)
  }
}
