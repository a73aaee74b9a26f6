import { TestClient } from '../support/server.ts'
import type { ClientOptions } from 'ws'

/** A message of JSON-RPC. */
export interface Frame {
  id?: number | null
  method?: string
  params?: object
  result?: unknown
  error?: { code: number; message: string; data?: unknown }
}

/** A client of the chat that speaks JSON-RPC, so that tests see what the server sends. */
export class ChatClient extends TestClient {
  #lastId = 0
  readonly #answered = new Map<number, (frame: Frame) => void>()

  private constructor(url: string, options: ClientOptions) {
    super(url, ['blaze.v1'], options)
    this.socket.on('message', (data: Buffer) => {
      const frame = JSON.parse(data.toString()) as Frame
      if (frame.method === undefined && typeof frame.id === 'number') this.#answered.get(frame.id)?.(frame)
    })
  }

  /** Connects, and says hello with the key of a tab. Rejects with the server's HTTP answer if it refuses. */
  static async connect(url: string, key: string, options: ClientOptions = {}): Promise<ChatClient> {
    const client = new ChatClient(url, options)
    await new Promise<void>((resolve, reject) => {
      client.socket.once('open', resolve)
      client.socket.once('error', reject)
    })
    await client.call('rpc.hello', { auth: { key } })
    return client
  }

  /** Sends an event. */
  send(method: string, params?: object): void {
    this.socket.send(JSON.stringify({ jsonrpc: '2.0', method, params }))
  }

  /** Asks the server, and resolves with its whole answer. Rejects if the connection closes first. */
  async ask(method: string, params?: object): Promise<Frame> {
    const id = ++this.#lastId
    let answer: Frame | undefined
    this.#answered.set(id, (frame) => (answer = frame))
    this.socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }))
    await this.until(() => answer !== undefined || this.closed !== undefined)
    this.#answered.delete(id)
    if (answer === undefined) throw new Error(`closed with ${this.closed?.code} before the answer to ${method}`)
    return answer
  }

  /** Asks the server, and resolves with the result. Rejects with the message of an error. */
  async call<T = unknown>(method: string, params?: object): Promise<T> {
    const { result, error } = await this.ask(method, params)
    if (error !== undefined) throw new Error(`refused: ${error.message}`)
    return result as T
  }

  /** The data of the next event with this name; skips others, unless they are forbidden. */
  async nextOf(event: string, unwanted: string[] = []): Promise<unknown> {
    for (;;) {
      const { method, params } = JSON.parse(await this.next()) as Frame
      if (method === event) return params
      if (method !== undefined && unwanted.includes(method)) throw new Error(`${method} came before ${event}`)
    }
  }

  /** The next error for what was no valid request, and so has no id. */
  async nextError(): Promise<Frame['error']> {
    for (;;) {
      const { id, error } = JSON.parse(await this.next()) as Frame
      if (id === null) return error
    }
  }

  /** Says something in the room, and waits until it is back. */
  async speak(text: string): Promise<void> {
    await this.call('say', { text })
    await this.nextOf('said')
  }
}
