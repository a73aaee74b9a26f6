import type { WebSocketMessage } from '../../internal/message.ts'
import type { ReadQueue, Reader } from './read-queue.ts'

/** The forms in which `ws` can give a binary message to its listeners. */
export type BinaryType = 'nodebuffer' | 'arraybuffer' | 'fragments' | 'blob'

/** Takes what a pump gives. */
export interface MessageTarget {
  emitMessage(message: WebSocketMessage, form: BinaryType): void
}

/**
 * Reads a connection for the `message` listeners of its bare socket. While there are any it is the only reader; what had
 * arrived before them comes first, and what they leave stays for others.
 */
export class MessageEmitter implements Reader {
  binaryType: BinaryType = 'nodebuffer'
  /** True from `socket.pause()` to `socket.resume()`. */
  isPaused = false
  /** True once a listener has failed: then the connection is closed, and further failures tell nothing new. */
  hasFailed = false
  readonly #inbound: ReadQueue
  readonly #target: MessageTarget
  #isOn = false
  #isEmitting = false

  constructor(inbound: ReadQueue, target: MessageTarget) {
    this.#inbound = inbound
    this.#target = target
  }

  /** Begins at the end of the tick: whoever adds a listener can first do what else belongs to it. */
  start(): void {
    if (this.#isOn) return
    this.#isOn = true
    this.#inbound.reserveFor(this)
    this.#runLater()
  }

  stop(): void {
    if (!this.#isOn) return
    this.#isOn = false
    this.#inbound.release()
  }

  pause(): void {
    this.isPaused = true
    this.#inbound.cancel(this)
  }

  resume(): void {
    this.isPaused = false
    this.#runLater()
  }

  /** The connection is closed: the listeners get what is left, also while they are paused, before they hear of it. */
  finish(): void {
    this.isPaused = false
    this.#run()
    this.stop()
  }

  message(message: WebSocketMessage): void {
    this.#emit(message)
    this.#run()
  }

  end(): void {
    // The listeners learn it from 'close'.
  }

  #runLater(): void {
    process.nextTick(() => this.#run())
  }

  #run(): void {
    // A listener that pauses and resumes comes here while a message is given to it.
    while (this.#isReady()) {
      const message = this.#inbound.take(this)
      if (message === undefined) break
      this.#emit(message)
    }
    if (this.#isReady() && !this.#inbound.isAwaited) this.#inbound.read(this)
  }

  #isReady(): boolean {
    return this.#isOn && !this.isPaused && !this.#isEmitting
  }

  #emit(message: WebSocketMessage): void {
    this.#isEmitting = true
    this.#target.emitMessage(message, this.binaryType)
    this.#isEmitting = false
  }
}
