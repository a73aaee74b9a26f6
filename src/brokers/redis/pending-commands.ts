// Notices a dead connection. The libraries only notice that nothing arrives, which is normal while there is nothing to send.

/** The commands of a connection that wait for their answers. It reports if none of them is answered for too long. */
export class PendingCommands {
  readonly #timeout: number
  readonly #onTimeout: () => void
  readonly #commands = new Set<Promise<unknown>>()
  /** The time of the last answer, or of the first command after all earlier ones were answered. */
  #since = 0
  #timer: NodeJS.Timeout | undefined

  /** @param timeout how long is too long, in milliseconds. */
  constructor(timeout: number, onTimeout: () => void) {
    this.#timeout = timeout
    this.#onTimeout = onTimeout
  }

  add<T>(command: Promise<T>): Promise<T> {
    if (this.#commands.size === 0) this.#since = performance.now()
    this.#commands.add(command)
    this.#timer ??= this.#checkIn(this.#timeout)
    const onAnswer = (): void => {
      if (this.#commands.delete(command)) this.#since = performance.now()
    }
    command.then(onAnswer, onAnswer)
    return command
  }

  /** Forgets all commands, because the connection has ended. */
  clear(): void {
    this.#commands.clear()
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** One timer serves all commands, which costs less than one for each. */
  #checkIn(time: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#timer = undefined
      if (this.#commands.size === 0) return
      const rest = this.#timeout - (performance.now() - this.#since)
      if (rest > 0) this.#timer = this.#checkIn(rest)
      else this.#onTimeout()
    }, time).unref()
  }
}
