import { Inbox, type Within } from './inbox.ts'
import { closeFailure } from './close-failure.ts'
import { type TestClose, Wire, type WireRequest } from './wire.ts'

/** A client of a route, in memory. It sends and gets messages as they are. */
export class TestClient {
  /** Resolves with the close code and the reason once the connection has ended. Never rejects. */
  readonly closed: Promise<TestClose>
  readonly #wire: Wire
  readonly #inbox = new Inbox<string | Buffer>()

  private constructor(request: WireRequest) {
    this.#wire = new Wire(request, (message) => this.#inbox.add(message))
    this.closed = this.#wire.closed
    void this.closed.then((close) => this.#inbox.end(closeFailure(close)))
  }

  /** @internal */
  static async open(request: WireRequest): Promise<TestClient> {
    const client = new TestClient(request)
    await client.#wire.opened
    return client
  }

  /** The negotiated subprotocol; `''` if there is none. */
  get protocol(): string {
    return this.#wire.protocol
  }

  /**
   * The next message: a string for text, a `Buffer` for bytes.
   *
   * @throws ExpectationError if none comes in time, or the connection ends first.
   */
  next({ within }: Within = {}): Promise<string | Buffer> {
    return this.#inbox.take({ name: 'a message', matches: () => true, ...(within !== undefined && { within }) })
  }

  /** The next message, parsed as JSON. */
  async nextJSON<T = unknown>(options?: Within): Promise<T> {
    return JSON.parse(String(await this.next(options))) as T
  }

  /** Sends text or bytes. Resolves once the server's socket has them: later, if the server does not read. */
  send(data: string | Uint8Array): Promise<void> {
    return this.#wire.send(data)
  }

  /** Stops reading: the server feels back-pressure, as of a slow client. */
  stall(): void {
    this.#wire.stall()
  }

  /** Goes on reading. */
  resume(): void {
    this.#wire.resume()
  }

  /** Ends the connection without a close frame, like a broken network. To come back, make a new client. */
  cut(): void {
    this.#wire.cut()
  }

  /** Closes the connection, and resolves like `closed`. */
  close(code = 1000, reason = ''): Promise<TestClose> {
    return this.#wire.close(code, reason)
  }
}
