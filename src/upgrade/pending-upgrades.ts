import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'

/** Frames that came early stay where they are; where there are none, a read of nothing brings the end to light. */
function onReadable(this: Duplex): void {
  if (this.readableLength === 0) this.read(0)
}

function onEnd(this: Duplex): void {
  this.destroy()
}

/** The upgrades whose hooks still run, up to a limit. */
export class PendingUpgrades {
  readonly #max: number
  readonly #sockets = new Set<Duplex>()
  /** Only `injectWS` makes requests without a socket. */
  readonly #injected = new WeakMap<IncomingMessage, Duplex>()
  readonly #onClose: (this: Duplex) => void

  constructor(max: number) {
    this.#max = max
    const sockets = this.#sockets
    this.#onClose = function () {
      sockets.delete(this)
    }
  }

  get size(): number {
    return this.#sockets.size
  }

  /** False where there are too many. A client that goes away is no longer counted. */
  add(request: IncomingMessage, socket: Duplex): boolean {
    if (this.#sockets.size >= this.#max) return false
    this.#sockets.add(socket)
    socket.on('close', this.#onClose)
    if (request.socket === undefined) this.#injected.set(request, socket)
    return true
  }

  has(request: IncomingMessage): boolean {
    return this.#sockets.has(this.socketOf(request))
  }

  /** Notices from now on when the client ends its side: a hook may take its time, and nobody reads meanwhile. */
  watch(socket: Duplex): void {
    socket.on('readable', onReadable)
    socket.on('end', onEnd)
  }

  /** Closes the socket of an upgrade that was answered otherwise. */
  drop(request: IncomingMessage): void {
    if (this.has(request)) this.socketOf(request).destroy()
  }

  /** The handshake is over. */
  delete(socket: Duplex): void {
    this.#sockets.delete(socket)
    socket.removeListener('close', this.#onClose)
    socket.removeListener('readable', onReadable)
    socket.removeListener('end', onEnd)
  }

  /** The socket that a request wants to be a WebSocket. */
  socketOf(request: IncomingMessage): Duplex {
    return request.socket ?? (this.#injected.get(request) as Duplex)
  }
}
