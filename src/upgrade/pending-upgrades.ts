import type { Duplex } from 'node:stream'
import type { Upgrade } from './upgrade.ts'

/** Frames that came early stay where they are. If there are none, reading nothing brings the end of the stream to light. */
function onReadable(this: Duplex): void {
  if (this.readableLength === 0) this.read(0)
}

function destroy(this: Duplex): void {
  this.destroy()
}

/** The upgrades that Fastify works on, from the server's event to the handshake or the refusal, up to a limit. */
export class PendingUpgrades {
  readonly #max: number
  readonly #upgrades = new Map<Duplex, Upgrade>()
  readonly #onClose: (this: Duplex) => void
  readonly #onNewListener: (this: Duplex, event: string | symbol) => void
  #onEmpty: (() => void) | undefined

  constructor(max: number) {
    this.#max = max
    const remove = (socket: Duplex): Upgrade | undefined => this.#remove(socket)
    this.#onClose = function () {
      // Node does not tell the request of an upgrade, on which Fastify's `onRequestAbort` and `request.signal` depend.
      remove(this)?.request.destroy()
    }
    // Whoever begins to read what the client sends has completed the handshake.
    this.#onNewListener = function (event) {
      if (event === 'data') remove(this)?.release()
    }
  }

  get size(): number {
    return this.#upgrades.size
  }

  has(upgrade: Upgrade): boolean {
    return this.#upgrades.has(upgrade.socket)
  }

  /** False if there are too many. It is counted until its handshake is complete or its client is gone. */
  add(upgrade: Upgrade): boolean {
    if (this.#upgrades.size >= this.#max) return false
    const { socket } = upgrade
    this.#upgrades.set(socket, upgrade)
    socket.on('close', this.#onClose)
    socket.on('newListener', this.#onNewListener)
    // Node no longer looks after Fastify's `connectionTimeout`, and hooks can hang.
    socket.on('timeout', destroy)
    return true
  }

  /** From now on notices when the client ends its side: a hook may take its time, and nobody reads meanwhile. */
  watch({ socket }: Upgrade): void {
    socket.on('readable', onReadable)
    socket.on('end', destroy)
  }

  /** It is being refused: the rest is between the response and the socket. */
  delete({ socket }: Upgrade): void {
    this.#remove(socket)
  }

  /** Resolves when there are none left; drops those that are still there after `timeout` milliseconds. */
  async drain(timeout: number): Promise<void> {
    if (this.size === 0) return
    const timer = setTimeout(() => this.#drop(), timeout).unref()
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve
    })
    clearTimeout(timer)
  }

  #drop(): void {
    for (const socket of this.#upgrades.keys()) socket.destroy()
    this.#onEmpty?.()
  }

  #remove(socket: Duplex): Upgrade | undefined {
    const upgrade = this.#upgrades.get(socket)
    socket.removeListener('close', this.#onClose)
    socket.removeListener('newListener', this.#onNewListener)
    socket.removeListener('timeout', destroy)
    socket.removeListener('readable', onReadable)
    socket.removeListener('end', destroy)
    this.#upgrades.delete(socket)
    if (this.#upgrades.size === 0) this.#onEmpty?.()
    return upgrade
  }
}
