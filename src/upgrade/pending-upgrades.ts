import type { Duplex } from 'node:stream'
import type { Upgrade } from './upgrade.ts'

/** Makes a stream notice its end: it emits `end` only if it is read. Frames that came early stay in its buffer. */
function readNothing(this: Duplex): void {
  if (this.readableLength === 0) this.read(0)
}

function destroy(this: Duplex): void {
  this.destroy()
}

/** The upgrades that Fastify is handling, from the server's event to the handshake or the refusal, up to a limit. */
export class PendingUpgrades {
  readonly #max: number
  readonly #upgrades = new Map<Duplex, Upgrade>()
  readonly #watched = new WeakSet<Duplex>()
  readonly #onClose: (this: Duplex) => void
  readonly #onNewListener: (this: Duplex, event: string | symbol) => void
  #onEmpty: (() => void) | undefined

  constructor(max: number) {
    this.#max = max
    const remove = (stream: Duplex): Upgrade | undefined => this.#remove(stream)
    this.#onClose = function () {
      // Node does not destroy the request of an upgrade. Fastify's `onRequestAbort` and `request.signal` depend on that.
      remove(this)?.request.destroy()
    }
    // Reading from the stream begins when the handshake is complete, also if another package completes it.
    this.#onNewListener = function (event) {
      if (event === 'data') remove(this)?.finish()
    }
  }

  get size(): number {
    return this.#upgrades.size
  }

  has(upgrade: Upgrade): boolean {
    return this.#upgrades.has(upgrade.stream)
  }

  /** Counts an upgrade until it is answered. Returns false if there are too many. */
  add(upgrade: Upgrade): boolean {
    if (this.#upgrades.size >= this.#max) return false
    this.#upgrades.set(upgrade.stream, upgrade)
    return true
  }

  /**
   * Forgets an upgrade when its handshake is complete or its client has left.
   *
   * @param destroysOnEnd destroys the stream when the client ends its side. Nothing else reads the stream while hooks run.
   */
  watch({ stream }: Upgrade, destroysOnEnd: boolean): void {
    this.#watched.add(stream)
    stream.on('close', this.#onClose)
    stream.on('newListener', this.#onNewListener)
    // Node does not enforce Fastify's `connectionTimeout` on an upgrade, and hooks can hang.
    stream.on('timeout', destroy)
    if (!destroysOnEnd) return
    stream.on('readable', readNothing)
    stream.on('end', destroy)
  }

  /** Forgets an upgrade. */
  delete({ stream }: Upgrade): void {
    this.#remove(stream)
  }

  /** Resolves when no upgrade is pending. Destroys those that still are after `timeout` milliseconds. */
  async drain(timeout: number): Promise<void> {
    if (this.size === 0) return
    const timer = setTimeout(() => this.#destroyAll(), timeout).unref()
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve
    })
    clearTimeout(timer)
  }

  #destroyAll(): void {
    for (const stream of this.#upgrades.keys()) stream.destroy()
    this.#onEmpty?.()
  }

  #unwatch(stream: Duplex): void {
    stream.removeListener('close', this.#onClose)
    stream.removeListener('newListener', this.#onNewListener)
    stream.removeListener('timeout', destroy)
    stream.removeListener('readable', readNothing)
    stream.removeListener('end', destroy)
  }

  #remove(stream: Duplex): Upgrade | undefined {
    const upgrade = this.#upgrades.get(stream)
    if (this.#watched.delete(stream)) this.#unwatch(stream)
    this.#upgrades.delete(stream)
    if (this.#upgrades.size === 0) this.#onEmpty?.()
    return upgrade
  }
}
