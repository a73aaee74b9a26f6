import { nextTick } from '../../internal/event-loop.ts'
import type { WebSocketMessage } from '../../internal/message.ts'
import type { ReadQueue, Reader } from './read-queue.ts'

/** The forms in which `ws` can give a binary message to its listeners. */
export type BinaryType = 'nodebuffer' | 'arraybuffer' | 'fragments' | 'blob'

/**
 * Reads the messages of a connection for the `message` listeners of `ws.socket`. While there are any, it is the only reader.
 * They also get the messages that came before they were added. Messages that they leave unread stay for other readers.
 */
export class MessageEmitter implements Reader {
  binaryType: BinaryType = 'nodebuffer'
  /** True from `socket.pause()` to `socket.resume()`. */
  isPaused = false
  readonly #readQueue: ReadQueue
  readonly #emitMessage: (message: WebSocketMessage, type: BinaryType) => void
  #isStarted = false
  #isEmitting = false

  constructor(readQueue: ReadQueue, emitMessage: (message: WebSocketMessage, type: BinaryType) => void) {
    this.#readQueue = readQueue
    this.#emitMessage = emitMessage
  }

  /** Starts at the end of the tick, so that the code that adds a listener can first finish its setup. */
  start(): void {
    if (this.#isStarted) return
    this.#isStarted = true
    this.#readQueue.reserveFor(this)
    this.#runLater()
  }

  stop(): void {
    if (!this.#isStarted) return
    this.#isStarted = false
    this.#readQueue.endReservation()
  }

  pause(): void {
    this.isPaused = true
    this.#readQueue.cancel(this)
  }

  resume(): void {
    this.isPaused = false
    this.#runLater()
  }

  /** The connection is closed. The listeners get the remaining messages before the 'close' event, even if they are paused. */
  finish(): void {
    this.isPaused = false
    this.#run()
    this.stop()
  }

  message(message: WebSocketMessage): void {
    this.#emit(message)
    this.#run()
  }

  /** Does nothing: the listeners learn of the end from the 'close' event. */
  end(): void {}

  /** Never called: the emitter has reserved the queue. */
  refuse(): void {}

  #runLater(): void {
    nextTick(() => this.#run())
  }

  #run(): void {
    // A listener that calls pause() and resume() gets us here while its message is being emitted: `#canEmit` is false then.
    while (this.#canEmit()) {
      const message = this.#readQueue.take(this)
      if (message === undefined) break
      this.#emit(message)
    }
    if (this.#canEmit() && !this.#readQueue.hasReader) this.#readQueue.read(this)
  }

  #canEmit(): boolean {
    return this.#isStarted && !this.isPaused && !this.#isEmitting
  }

  #emit(message: WebSocketMessage): void {
    this.#isEmitting = true
    this.#emitMessage(message, this.binaryType)
    this.#isEmitting = false
  }
}
