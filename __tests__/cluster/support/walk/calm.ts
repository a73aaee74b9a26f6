import { setTimeout as sleep } from 'node:timers/promises'
import type { Present } from '../../../../src/index.ts'
import type { Message } from './client.ts'
import type { Node, Nodes } from './nodes.ts'
import type { Trace } from './trace.ts'
import { ROOMS, type Traffic } from './traffic.ts'
import { type View, wrongIn, wrongPresence } from './view.ts'
import { LEASE } from './walk.ts'

/** How long nodes may take to reconnect to an engine that is back, and to notice a dead connection, in milliseconds. */
const RECOVERY = 10_000
/** Added to the lease: nodes check each other eight times per lease, and the machine runs many processes. */
const GRACE = 1_000
/** How long a message may take, in milliseconds. */
const ARRIVAL = 5_000

/** The checks that must pass once all faults are over. */
export class Calm {
  readonly #nodes: Nodes
  readonly #traffic: Traffic
  readonly #trace: Trace
  /** How many times the test messages may be sent. */
  readonly #attempts: number

  /** `learnsLate` is that of the engine. */
  constructor(nodes: Nodes, traffic: Traffic, trace: Trace, learnsLate = false) {
    this.#attempts = learnsLate ? 3 : 1
    this.#nodes = nodes
    this.#traffic = traffic
    this.#trace = trace
  }

  async pass(): Promise<void> {
    if (!(await this.#within(RECOVERY, async () => this.#traffic.isSettled)))
      this.#trace.fault('clients get no answer from their nodes')
    if (!(await this.#within(RECOVERY, () => this.#isReady()))) this.#trace.fault('nodes stay degraded')
    this.#trace.step('all nodes are ready')
    const lease = sleep(LEASE)
    let wrong: string[] = []
    const isRight = await this.#within(LEASE + GRACE, async () => (wrong = await this.#wrongViews()).length === 0)
    if (isRight) this.#trace.step(`all views are right: ${this.#traffic.summary()}`)
    else this.#trace.fault(wrong.join('\n  '))
    await lease
    for (const fault of await this.#repeated(() => this.#wrongLists())) this.#trace.fault(fault)
    await this.#expectArrival()
  }

  /** True if the condition comes true within so many milliseconds. */
  async #within(time: number, condition: () => Promise<boolean>): Promise<boolean> {
    const end = performance.now() + time
    while (!(await condition())) {
      if (performance.now() > end) return false
      await sleep(50)
    }
    return true
  }

  /** The faults of the last attempt: with some engines, nodes only learn from the first attempts that a channel has moved. */
  async #repeated(find: () => Promise<string[]>): Promise<string[]> {
    let wrong = await find()
    for (let attempt = 1; attempt < this.#attempts && wrong.length > 0; attempt++) {
      await this.#within(RECOVERY, () => this.#isReady())
      wrong = await find()
    }
    return wrong
  }

  async #isReady(): Promise<boolean> {
    const ready = await Promise.all(
      this.#nodes.all.map(({ process, name }) => process.ask<boolean>('isReady', { name }))
    )
    return ready.every((one) => one === true)
  }

  async #wrongViews(): Promise<string[]> {
    const { clients } = this.#traffic
    const wrong = await Promise.all(
      this.#nodes.all.map(async ({ process, name }) => {
        const view = (await process.ask<View>('view', { name, rooms: ROOMS })) as View
        for (const fault of view.faults) this.#trace.fault(`${name}: ${fault}`)
        if (view.stats.rejected > 0) this.#trace.fault(`${name} has rejected messages of other nodes`)
        return wrongIn(view, name, this.#nodes.all.length, clients, ROOMS).map((what) => `${name}: ${what}`)
      })
    )
    return wrong.flat()
  }

  async #wrongLists(): Promise<string[]> {
    const { clients } = this.#traffic
    const wrong = await Promise.all(
      this.#nodes.all.map(async ({ process, name }) => {
        const lists = (await process.ask<Record<string, Present[]>>('lists', { name, rooms: ROOMS })) ?? {}
        return ROOMS.flatMap((room) =>
          wrongPresence(lists[room] ?? [], room, clients).map((what) => `list() on ${name}: ${what}`)
        )
      })
    )
    return wrong.flat()
  }

  /** Checks that all messages sent from now on arrive. */
  async #expectArrival(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const before = await this.#unpublished()
      const lost = await this.#lost(await this.#burst())
      if (lost.length === 0) return
      const isRefused = (await this.#unpublished()) > before
      if (attempt < this.#attempts && isRefused) continue
      return this.#trace.fault(`lost in a calm${isRefused ? ', and counted' : ''}:\n  ${lost.join('\n  ')}`)
    }
  }

  /** How many messages the nodes report as unpublished. */
  async #unpublished(): Promise<number> {
    const views = await Promise.all(
      this.#nodes.all.map(({ process, name }) => process.ask<View>('view', { name, rooms: [] }))
    )
    return views.reduce((sum, view) => sum + (view?.stats.unpublished ?? 0), 0)
  }

  async #burst(): Promise<Message[]> {
    const targets = [null, ...ROOMS.map((room) => [room]), ROOMS.slice(0, 3), null]
    const broadcasts = this.#nodes.all.flatMap((node) => targets.map((to) => this.#traffic.broadcast(node, to)))
    return [...broadcasts, ...(await Promise.all(this.#nodes.all.map((node) => this.#published(node, targets)))).flat()]
  }

  /** Waits for messages; gives those that do not arrive. */
  async #lost(messages: readonly Message[]): Promise<string[]> {
    let lost: string[] = []
    await this.#within(ARRIVAL, async () => {
      lost = this.#traffic.clients.flatMap((client) => {
        const missing = messages.filter((message) => client.isMeant(message) && !client.received.has(message.id))
        return missing.map(
          ({ from, number, to }) =>
            `${client.id} on ${client.node} misses message ${number} of ${from} to ${to?.join() ?? 'all'}`
        )
      })
      return lost.length === 0
    })
    return lost
  }

  /** Sends from a publisher, which may learn of a change only from a refused message, and tries again. */
  async #published(node: Node, targets: (string[] | null)[]): Promise<Message[]> {
    const messages: Message[] = []
    for (const to of targets) {
      let message: Message | undefined
      const isTaken = await this.#within(
        ARRIVAL,
        async () => (message = await this.#traffic.publish(node, to)) !== undefined
      )
      if (!isTaken) this.#trace.fault(`the publisher of ${node.name} cannot send to ${to?.join() ?? 'all'}`)
      if (message !== undefined) messages.push(message)
    }
    return messages
  }
}
