/** What the nodes of a cluster have answered. */
export interface Answers {
  /** The parts of each node's answer. */
  answers: Map<string, unknown[]>
  /** The nodes that have not answered in time. */
  missing: string[]
}

interface Question {
  readonly answers: Map<string, unknown[]>
  /** The nodes whose answer is not complete. */
  readonly missing: Set<string>
  /** No sooner than then it is settled, for nodes that this one has not heard of yet. */
  readonly notBefore: number
  readonly deadline: number
  readonly resolve: (answers: Answers) => void
}

/** Questions to all nodes, that wait for their answers no longer than their deadlines. */
export class Requests {
  readonly #questions = new Map<number, Question>()
  #lastId = 0

  /** Opens a question to these nodes. Times are those of `now()`. */
  ask(nodes: readonly string[], notBefore: number, deadline: number): { id: number; answered: Promise<Answers> } {
    const id = ++this.#lastId
    const answered = new Promise<Answers>((resolve) => {
      this.#questions.set(id, { answers: new Map(), missing: new Set(nodes), notBefore, deadline, resolve })
    })
    return { id, answered }
  }

  /** A part of a node's answer has come; `isLast` where it is the last. */
  answer(id: unknown, node: string, part: unknown, isLast: boolean, time: number): void {
    const question = this.#questions.get(id as number)
    if (question === undefined) return
    const parts = question.answers.get(node)
    if (parts === undefined) question.answers.set(node, [part])
    else parts.push(part)
    if (isLast) question.missing.delete(node)
    else question.missing.add(node)
    this.#settle(id as number, question, time)
  }

  /** This node will not answer any more. */
  gone(node: string): void {
    for (const question of this.#questions.values()) question.missing.delete(node)
  }

  /** Settles what is due, at a time of `now()`. */
  check(time: number): void {
    for (const [id, question] of this.#questions) this.#settle(id, question, time)
  }

  /** Settles all with what has come. */
  close(): void {
    this.check(Infinity)
  }

  #settle(id: number, question: Question, time: number): void {
    const isComplete = question.missing.size === 0 && time >= question.notBefore
    if (!isComplete && time < question.deadline) return
    this.#questions.delete(id)
    for (const node of question.missing) question.answers.delete(node)
    question.resolve({ answers: question.answers, missing: [...question.missing] })
  }
}
