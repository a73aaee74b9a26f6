import type { Notes } from '../cluster/wire/notes.ts'
import type { Delivery } from '../connection/write/prepared-message.ts'
import { scopeOf } from '../internal/delivery.ts'

let hubs = 0

/** Turns the notes of a hub's messages into what connections do with them. */
export class Deliveries {
  /** A connection may be in several hubs, which do not replace each other's messages. */
  readonly #hub = ++hubs

  /** @param targets undefined: all clients. */
  of(notes: Notes | undefined, targets: readonly string[] | undefined): Delivery | undefined {
    if (notes === undefined) return undefined
    const { coalesce, volatile: isVolatile = false, scope = scopeOf(targets) } = notes
    // With its length, so that no key and scope read like others.
    const key = coalesce === undefined ? undefined : `${this.#hub}:${coalesce.length}:${coalesce}${scope}`
    return { isVolatile, key }
  }
}
