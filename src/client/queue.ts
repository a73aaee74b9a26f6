import { ClientError } from './client-error.ts'

const MAX_WAITING = 100

interface WaitingEvent {
  readonly text: string
  resolve(): void
  reject(error: Error): void
}

/** Events that wait for a connection. */
export class Queue {
  #waiting: WaitingEvent[] = []

  /** Resolves once the event was sent. */
  add(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length >= MAX_WAITING)
        throw new ClientError('QUEUE_FULL', `${MAX_WAITING} events wait for a connection already`)
      this.#waiting.push({ text, resolve, reject })
    })
  }

  /** Sends all events, in their order. */
  flush(send: (text: string) => void): void {
    for (const event of this.#takeAll()) {
      send(event.text)
      event.resolve()
    }
  }

  rejectAll(error: Error): void {
    for (const event of this.#takeAll()) event.reject(error)
  }

  #takeAll(): WaitingEvent[] {
    const waiting = this.#waiting
    this.#waiting = []
    return waiting
  }
}
