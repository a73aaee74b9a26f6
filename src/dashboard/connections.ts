import type { WebSocketConnection } from '../connection/connection.ts'
import type { WebSocketHub } from '../hub/hub.ts'
import { CloseCode } from '../internal/close-codes.ts'
import { now } from '../internal/clock.ts'
import { PROCESS_ID, processOf } from '../internal/connection-id.ts'
import { largest } from './largest.ts'

/** A connection in a list. */
export interface ConnectionRow {
  id: string
  /** The pattern of its route. Its URL is not shown: it can hold secrets. */
  route: string
  remoteAddress: string
  /** For how long it has been open, in milliseconds. */
  age: number
  messagesIn: number
  messagesOut: number
  /** How many bytes were written and not yet taken by the kernel. */
  unsentBytes: number
  /** How many messages to it were dropped. */
  dropped: number
}

/** All that is shown of one connection. */
export interface ConnectionDetails extends ConnectionRow {
  protocol: string
  bytesIn: number
  bytesOut: number
  /** How many frames wait in its send queue. */
  queuedFrames: number
  /** For how long nothing came from the client, in milliseconds. */
  silence: number
  /** The rooms that it is in, MAX_ROOMS_SHOWN of them at most. */
  rooms: string[]
  roomCount: number
}

/** The kinds of the fields of a row. */
const FIELDS = {
  id: 'string',
  route: 'string',
  remoteAddress: 'string',
  age: 'number',
  messagesIn: 'number',
  messagesOut: 'number',
  unsentBytes: 'number',
  dropped: 'number'
} satisfies Record<keyof ConnectionRow, string>

/** Whether another node has answered with a row. It may have another version of this package. */
export function isRow(value: unknown): value is ConnectionRow {
  const row = (value ?? {}) as Record<string, unknown>
  return Object.entries(FIELDS).every(([name, type]) => typeof row[name] === type)
}

export type Order = 'newest' | 'slowest'

/** How many connections a list has. */
export const MAX_ROWS = 50
/** How many rooms of a connection are named. */
const MAX_ROOMS_SHOWN = 50

const DISCONNECTED = 'disconnected'

/** The open connections of this server, in its hub or not. */
export class Connections {
  readonly #open: ReadonlySet<WebSocketConnection>
  readonly #hub: WebSocketHub

  constructor(open: ReadonlySet<WebSocketConnection>, hub: WebSocketHub) {
    this.#open = open
    this.#hub = hub
  }

  /** The newest connections, or those with the most unsent bytes. */
  list(order: Order): ConnectionRow[] {
    return this.#select(order).map(rowOf)
  }

  details(id: string): ConnectionDetails | undefined {
    const ws = this.#find(id)
    if (ws === undefined) return undefined
    const { session } = ws
    const rooms = this.#hub.rooms(ws)
    return {
      ...rowOf(ws),
      protocol: ws.protocol,
      bytesIn: session.bytesIn,
      bytesOut: session.bytesOut,
      queuedFrames: session.writer.queuedFrames,
      silence: now() - session.lastReadAt,
      rooms: rooms.slice(0, MAX_ROOMS_SHOWN),
      roomCount: rooms.length
    }
  }

  /** Closes a connection as `hub.disconnect` does, but also one that is in no hub. False if this server has none with this id. */
  disconnect(id: string): boolean {
    const ws = this.#find(id)
    if (ws === undefined) return false
    if (this.#hub.disconnect(id, CloseCode.PolicyViolation, DISCONNECTED, { local: true }) === 0)
      void ws.close(CloseCode.PolicyViolation, DISCONNECTED)
    return true
  }

  #select(order: Order): WebSocketConnection[] {
    if (order === 'slowest') return largest(this.#open, (ws) => ws.bufferedAmount, MAX_ROWS)
    const skipped = this.#open.size - MAX_ROWS
    const newest: WebSocketConnection[] = []
    let place = 0
    for (const ws of this.#open) if (place++ >= skipped) newest.push(ws)
    return newest.toReversed()
  }

  #find(id: string): WebSocketConnection | undefined {
    if (processOf(id) !== PROCESS_ID) return undefined
    for (const ws of this.#open) if (ws.isCalled(id)) return ws
    return undefined
  }
}

function rowOf(ws: WebSocketConnection): ConnectionRow {
  const { session } = ws
  return {
    id: ws.id,
    route: session.route,
    remoteAddress: ws.remoteAddr(),
    age: now() - session.openedAt,
    messagesIn: session.messagesIn,
    messagesOut: session.messagesOut,
    unsentBytes: ws.bufferedAmount,
    dropped: ws.dropped
  }
}
