import { immediate } from '../../internal/event-loop.ts'
import { switchboardHere } from './connect-workers.ts'
import type { Notice, Request } from './frames.ts'
import type { Line, LineListener } from './line.ts'
import { Port } from './switchboard.ts'

class PrimaryPort extends Port {
  readonly #listener: LineListener

  constructor(listener: LineListener) {
    super()
    this.#listener = listener
  }

  send(notice: Notice, done: () => void): void {
    immediate(() => {
      done()
      this.#listener.onNotice(notice)
    })
  }
}

/** The line of one broker in the primary itself. Everything takes a turn, as between processes. */
export class PrimaryLine implements Line {
  #port: PrimaryPort | undefined

  get isConnected(): boolean {
    return switchboardHere() !== undefined
  }

  open(_member: string, listener: LineListener): void {
    this.#port ??= new PrimaryPort(listener)
  }

  send(request: Request): void {
    const port = this.#port
    immediate(() => port && switchboardHere()?.take(request, port))
  }

  /** The broker has told the switchboard that it leaves. */
  close(): void {}
}
