import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { Server as TlsServer } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import { type ClientOptions, WebSocket } from 'ws'
import { markHandled } from '../internal/promises.ts'
import { MemorySocket } from './memory-socket.ts'
import { after } from './timers.ts'
import { UpgradeError } from './upgrade-error.ts'

/** How the connection of a test client ended. */
export interface TestClose {
  /** The close code; 1005 if the close frame had none, 1006 if there was no close frame. */
  code: number
  reason: string
}

/** The request of a test client. */
export interface WireRequest {
  readonly app: FastifyInstance
  readonly path: string
  readonly headers: OutgoingHttpHeaders
  readonly protocols: string[]
}

/** How long hooks may take to answer the upgrade. The timeout of test runners is longer, and says less. */
const OPEN_TIMEOUT = 4000
/** How long a client that closes waits for the server's close frame. */
const CLOSE_TIMEOUT = 1000

/** A client's socket of `ws`, connected to the server in memory. */
export class Wire {
  /** Rejects with an `UpgradeError` if the server refuses the upgrade. */
  readonly opened: Promise<void>
  readonly closed: Promise<TestClose>
  readonly #socket: WebSocket
  readonly #stream: MemorySocket

  constructor(request: WireRequest, onMessage: (message: string | Buffer) => void) {
    const { server } = request.app
    const isTls = server instanceof TlsServer
    const [client, other] = MemorySocket.pair(isTls)
    this.#stream = client
    // Servers take any stream as a connection. Those with TLS take one that is decrypted under another name.
    server.emit(isTls ? 'secureConnection' : 'connection', other)
    this.#socket = newSocket(request, client)
    this.#socket.on('message', (data: Buffer, isBinary) => onMessage(isBinary ? data : data.toString()))
    this.opened = markHandled(this.#open(request.path))
    this.closed = new Promise((resolve) => {
      this.#socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() }))
    })
  }

  /** The negotiated subprotocol; `''` if there is none. */
  get protocol(): string {
    return this.#socket.protocol
  }

  /** Resolves once the server's end has the message. */
  send(data: string | Uint8Array): Promise<void> {
    return markHandled(
      new Promise((resolve, reject) => {
        this.#socket.send(data, (error) => (error === undefined || error === null ? resolve() : reject(error)))
      })
    )
  }

  stall(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  cut(): void {
    this.#socket.terminate()
  }

  close(code: number, reason: string): Promise<TestClose> {
    try {
      this.#socket.close(code, reason)
    } catch (error) {
      return markHandled(Promise.reject(error as Error))
    }
    // The server's close frame has to be read.
    this.resume()
    return this.closed
  }

  #open(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => {
        cancel()
        this.#stream.destroy()
        reject(error)
      }
      const cancel = after(OPEN_TIMEOUT, () =>
        fail(new Error(`the server has not answered the upgrade of ${path} within ${OPEN_TIMEOUT} ms`))
      )
      this.#socket.on('error', fail)
      this.#socket.once('unexpected-response', (_request, response) => {
        refusalOf(response).then(fail, fail)
      })
      this.#socket.once('open', () => {
        cancel()
        resolve()
      })
    })
  }
}

function newSocket({ path, headers, protocols }: WireRequest, stream: MemorySocket): WebSocket {
  // `ws` has `closeTimeout`, and its types do not.
  const options: ClientOptions & { closeTimeout: number } = {
    headers: headers as Record<string, string>,
    perMessageDeflate: false,
    maxPayload: 0,
    closeTimeout: CLOSE_TIMEOUT,
    createConnection: () => stream as never
  }
  return new WebSocket(`ws://localhost${path}`, protocols, options)
}

async function refusalOf(response: IncomingMessage): Promise<UpgradeError> {
  const chunks: Buffer[] = []
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk)
  return new UpgradeError(response.statusCode as number, response.headers, Buffer.concat(chunks).toString())
}
