import type { FastifyInstance } from 'fastify'
import { WebSocketHub } from '../hub/hub.ts'
import { invalidOption } from '../internal/errors.ts'
import { type Check, entriesOf } from '../internal/validate.ts'

/** What all adapters can be told. */
export interface ObservedHubs {
  /** Hubs besides `app.wsHub`, by the values of the label `hub`. `app.wsHub` is called `wsHub`. @default {} */
  hubs?: Readonly<Record<string, WebSocketHub>>
}

/** A check for hubs by name. */
export const hubs: Check<Readonly<Record<string, WebSocketHub>>> = (value, name) => {
  const entries = entriesOf(value, name)
  for (const [key, hub] of entries)
    if (!(hub instanceof WebSocketHub) || key === MAIN_HUB)
      throw invalidOption(`${name}.${key}`, `must be a WebSocketHub under another name than ${MAIN_HUB}`, hub)
  return Object.fromEntries(entries) as Readonly<Record<string, WebSocketHub>>
}

const MAIN_HUB = 'wsHub'

/** All observed hubs of a server. */
export function hubsOf(app: FastifyInstance, { hubs: more = {} }: ObservedHubs): Record<string, WebSocketHub> {
  return { [MAIN_HUB]: app.wsHub, ...more }
}
