import type { Answer } from './wire/protocol.ts'

/** What the nodes of a cluster have answered to a request. */
export interface Answers {
  /** The parts of each node's answer. */
  answers: Map<string, unknown[]>
  /** The nodes that did not answer in time. */
  missing: string[]
}

interface PendingRequest {
  readonly answers: Map<string, unknown[]>
  /** The nodes whose answer is not complete. */
  readonly missing: Set<string>
  /** The request settles no earlier: nodes that this one does not know yet may answer. */
  readonly notBefore: number
  readonly deadline: number
  readonly resolve: (answers: Answers) => void
}

/** The requests of this node that wait for answers, each until its deadline. All times are those of `now()`. */
export class Requests {
  readonly #pending = new Map<number, PendingRequest>()
  #lastId = 0

  open(nodes: readonly string[], notBefore: number, deadline: number): { id: number; answered: Promise<Answers> } {
    const id = ++this.#lastId
    const answered = new Promise<Answers>((resolve) => {
      this.#pending.set(id, { answers: new Map(), missing: new Set(nodes), notBefore, deadline, resolve })
    })
    return { id, answered }
  }

  /** Takes a part of a node's answer. */
  onAnswer({ id, part, isLast }: Answer, node: string, time: number): void {
    const request = this.#pending.get(id)
    if (request === undefined) return
    const parts = request.answers.get(node)
    if (parts === undefined) request.answers.set(node, [part])
    else parts.push(part)
    if (isLast) request.missing.delete(node)
    else request.missing.add(node)
    this.#settleIfDue(id, request, time)
  }

  /** A node will not answer any more. */
  onNodeGone(node: string): void {
    for (const { missing } of this.#pending.values()) missing.delete(node)
  }

  /** Settles the requests that are complete or late. */
  settleDue(time: number): void {
    for (const [id, request] of this.#pending) this.#settleIfDue(id, request, time)
  }

  /** Settles all requests with the answers that have come. */
  close(): void {
    this.settleDue(Infinity)
  }

  #settleIfDue(id: number, request: PendingRequest, time: number): void {
    const isComplete = request.missing.size === 0 && time >= request.notBefore
    if (!isComplete && time < request.deadline) return
    this.#pending.delete(id)
    for (const node of request.missing) request.answers.delete(node)
    request.resolve({ answers: request.answers, missing: [...request.missing] })
  }
}
