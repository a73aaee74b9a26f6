import { jsonOf } from '../internal/payload.ts'
import secureJson from 'secure-json-parse'
import { describe, errors } from '../internal/errors.ts'
import type { Control } from './host.ts'
import type { ClusterNode } from './node.ts'

/** How long the name of a message may be, in characters, and its data as JSON, in bytes. */
const MAX_NAME = 256
const MAX_DATA = 64 * 1024

/** Gets what other servers send, and from which node. */
export type ClusterListener<T = unknown> = (data: T, from: { node: string }) => unknown

/** What the servers of a cluster say to each other for the application. */
export class Messages {
  readonly #node: ClusterNode | undefined
  readonly #failed: (error: unknown, name: string) => void
  /** The sets are replaced and never changed, so that listeners can add and remove listeners. */
  readonly #listeners = new Map<string, ReadonlySet<ClusterListener>>()

  /** `failed` is told of listeners that throw or reject. */
  constructor(node: ClusterNode | undefined, failed: (error: unknown, name: string) => void) {
    this.#node = node
    this.#failed = failed
  }

  on(name: string, listener: ClusterListener): void {
    assertName(name)
    if (typeof listener !== 'function')
      throw new errors.INVALID_ARGUMENT('listener', `must be a function, got ${describe(listener)}`)
    this.#listeners.set(name, new Set(this.#listeners.get(name)).add(listener))
  }

  off(name: string, listener: ClusterListener): void {
    const listeners = new Set(this.#listeners.get(name))
    listeners.delete(listener)
    if (listeners.size > 0) this.#listeners.set(name, listeners)
    else this.#listeners.delete(name)
  }

  send(name: string, data: unknown): void {
    assertName(name)
    const safe = data === undefined ? undefined : safeCopy(data)
    this.#node?.send({ type: 'message', name, data: safe })
  }

  /** Another server has sent this. */
  receive(node: string, { name, data }: Control): void {
    for (const listener of this.#listeners.get(name as string) ?? [])
      void this.#call(listener, data, node, name as string)
  }

  async #call(listener: ClusterListener, data: unknown, node: string, name: string): Promise<void> {
    try {
      await listener(data, { node })
    } catch (error) {
      this.#failed(error, name)
    }
  }
}

function assertName(name: unknown): void {
  if (typeof name !== 'string') throw new errors.INVALID_ARGUMENT('name', `must be a string, got ${describe(name)}`)
  if (name.length === 0 || name.length > MAX_NAME)
    throw new errors.OUT_OF_RANGE('name', `must have 1 to ${MAX_NAME} characters, got ${name.length}`)
}

/** The data as the other servers get it. They would reject the whole message if it could poison a prototype. */
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
