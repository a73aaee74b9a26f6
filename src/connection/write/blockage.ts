import type { Duplex } from 'node:stream'
import { takesTime } from './stream.ts'
import { Stall } from './stall.ts'

const NOTHING = Buffer.alloc(0)

/** Who sends to a socket that may be blocked. */
export interface Blockable {
  /** How many frames the socket does not have yet. */
  readonly queued: number
  /** Gives frames to the socket: it has nothing left that the kernel did not take. */
  flush(): void
}

/** The kernel takes less than a socket is given: for how long, and when it has caught up. */
export class Blockage {
  readonly stall = new Stall()
  /** True while the socket has bytes that the kernel did not take. */
  isOn = false
  /** True from then on until the event loop has gone round to the sockets: nobody is slow who had no time to read. */
  isInGrace = false
  readonly #socket: Duplex
  readonly #subject: Blockable
  /** How many calls back are due from the socket. */
  #callbacks = 0

  constructor(socket: Duplex, subject: Blockable) {
    this.#socket = socket
    this.#subject = subject
  }

  /** The socket got so many frames that the kernel did not take; true where it had nothing such before. */
  add(count: number): boolean {
    const begins = !this.isOn
    if (begins) this.isOn = this.isInGrace = true
    this.stall.entered(count, this.#subject.queued)
    this.#callBack(count)
    return begins
  }

  /** True where it is not the client's fault that frames wait. */
  excuses(isBroadcast: boolean): boolean {
    return !this.isOn || (this.isInGrace && (isBroadcast || takesTime(this.#socket)))
  }

  /** Calls back behind what was written so far. */
  #callBack(count: number): void {
    this.#callbacks++
    this.#socket.write(NOTHING, (error) => {
      this.#callbacks--
      if (error) return
      this.stall.left(count, this.#subject.queued)
      if (this.#socket.writableLength === 0) this.#end()
      // Someone has written past us, on `ws.socket`.
      if (this.#socket.writableLength > 0 && this.#callbacks === 0) this.#callBack(0)
    })
  }

  #end(): void {
    this.isOn = false
    this.#subject.flush()
    // What is blocked again from here on has had its time, unless it never tells at once.
    if (!takesTime(this.#socket)) this.isInGrace = false
    if (!this.isOn) this.stall.end()
  }
}
