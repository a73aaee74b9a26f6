import { type Bytes, bytesOf, noticeIn, type Request, sealed } from './frames.ts'
import type { Line, LineListener } from './line.ts'

/** The line of all brokers of a worker process. It listens only while there are brokers, because a listener keeps the process alive. */
class WorkerLine implements Line {
  readonly #listeners = new Map<string, LineListener>()
  #takesBytes = false

  get isConnected(): boolean {
    return process.connected
  }

  open(member: string, listener: LineListener): void {
    if (this.#listeners.size === 0) {
      process.on('message', this.#onMessage)
      process.on('disconnect', this.#onLost)
    }
    this.#listeners.set(member, listener)
  }

  send(request: Request): void {
    const frame = request.kind === 'publish' ? { ...request, batch: this.#encoded(request.batch) } : request
    // An error means that the channel is closed, which is reported by 'disconnect'.
    process.send?.(sealed(frame), undefined, undefined, () => {})
  }

  close(member: string): void {
    if (!this.#listeners.delete(member) || this.#listeners.size > 0) return
    process.off('message', this.#onMessage)
    process.off('disconnect', this.#onLost)
  }

  readonly #onMessage = (message: unknown): void => {
    const notice = noticeIn(message)
    if (notice === undefined) return
    this.#takesBytes = notice.takesBytes ?? this.#takesBytes
    this.#listeners.get(notice.member)?.onNotice(notice)
  }

  readonly #onLost = (): void => {
    for (const listener of this.#listeners.values()) listener.onLost()
  }

  #encoded(bytes: Bytes): Bytes {
    return this.#takesBytes ? bytes : bytesOf(bytes).toString('base64')
  }
}

export const workerLine: Line = new WorkerLine()
