import type { WebSocketConnection } from '../connection/connection.ts'
import type { ContractEvent, Definition } from '../contract/definition.ts'
import { CloseCode } from '../internal/close-codes.ts'
import { withTimeout } from '../internal/promises.ts'
import { isConnectionId } from '../internal/connection-id.ts'
import { accepts } from '../connection/audience.ts'
import { Rooms } from './rooms.ts'

const NO_CLIENTS: ReadonlySet<WebSocketConnection> = new Set()

/** The clients of a hub: its registered connections, their ids, and the rooms they are in. */
export class Clients {
  readonly all = new Set<WebSocketConnection>()
  readonly rooms = new Rooms()
  /** Made by the first search for an id: many applications never search for one. */
  #byId: Map<string, WebSocketConnection> | undefined
  /** The contracts of the clients, and how many clients each has. */
  readonly #contracts = new Map<Definition, number>()

  has(ws: WebSocketConnection): boolean {
    return this.all.has(ws)
  }

  add(ws: WebSocketConnection): void {
    this.all.add(ws)
    this.#byId?.set(ws.id, ws)
    this.#count(ws.session.contract, 1)
  }

  /** Removes a client. Its rooms are not changed. False if it was not registered. */
  remove(ws: WebSocketConnection): boolean {
    this.#byId?.delete(ws.id)
    const isRemoved = this.all.delete(ws)
    if (isRemoved) this.#count(ws.session.contract, -1)
    return isRemoved
  }

  findById(id: string): WebSocketConnection | undefined {
    this.#byId ??= new Map([...this.all].map((ws) => [ws.id, ws]))
    return this.#byId.get(id)
  }

  /** The members of a room, or the client with this id. */
  findByTarget(target: string): ReadonlySet<WebSocketConnection> {
    if (!isConnectionId(target)) return this.rooms.members(target)
    const ws = this.findById(target)
    return ws === undefined ? NO_CLIENTS : new Set([ws])
  }

  /** The members of any of these rooms and the clients with these ids, each once. */
  findByTargets(targets: readonly string[]): ReadonlySet<WebSocketConnection> {
    if (targets.length === 1) return this.findByTarget(targets[0] as string)
    const union = new Set<WebSocketConnection>()
    for (const target of targets) for (const ws of this.findByTarget(target)) union.add(ws)
    return union
  }

  /** True if no client is passed over by a message for this audience, as in a hub whose clients all have the same contract. */
  allAccept(audience: ContractEvent | undefined): boolean {
    for (const contract of this.#contracts.keys()) if (!accepts(contract, audience)) return false
    return true
  }

  #count(contract: Definition | undefined, change: number): void {
    if (contract === undefined) return
    const count = (this.#contracts.get(contract) ?? 0) + change
    if (count > 0) this.#contracts.set(contract, count)
    else this.#contracts.delete(contract)
  }

  /** The targets that other nodes may have clients for: all rooms, and the ids that no client of this node has. */
  targetsOnOtherNodes(targets: readonly string[]): readonly string[] {
    return targets.filter((target) => !isConnectionId(target) || this.findById(target) === undefined)
  }

  /** Closes all clients with 1001. Drops those that are still open after `timeout` milliseconds. */
  async closeAll(timeout: number, reason: string): Promise<void> {
    const clients = [...this.all]
    const closed = Promise.all(clients.map((ws) => ws.close(CloseCode.GoingAway, reason)))
    await withTimeout(closed, timeout, () => {
      for (const ws of clients) if (ws.closeInfo === undefined) ws.session.terminate('shutdown timeout')
      return closed
    })
  }
}
