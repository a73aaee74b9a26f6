interface Waiting {
  readonly number: number
  resolve: () => void
  reject: (error: Error) => void
}

/** The requests that the primary has not taken yet. It takes them in the order of their numbers. */
export class PendingRequests {
  #waiting: Waiting[] = []
  #number = 0

  /** Calls `send` with the number of a new request. Resolves when the primary has taken it. */
  add(send: (number: number) => void): Promise<void> {
    const number = ++this.#number
    return new Promise((resolve, reject) => {
      this.#waiting.push({ number, resolve, reject })
      send(number)
    })
  }

  /** The primary has taken all requests up to this number. */
  take(number: number): void {
    const first = this.#waiting.findIndex((request) => request.number > number)
    const taken = this.#waiting.splice(0, first === -1 ? this.#waiting.length : first)
    for (const { resolve } of taken) resolve()
  }

  fail(error: Error): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}
