import { WebSocket } from 'ws'
import type { Position } from '../../../src/index.ts'
import { eventually } from '../../support/server.ts'

/** All messages that were stored, by epoch and offset. */
export type Model = Map<string, string>

export const keyOf = ({ epoch, offset }: Position): string => `${epoch} ${offset}`

interface Frame {
  id?: string
  method?: string
  params?: Position & { room: string; recovered?: boolean; reason?: string; text?: string }
  offset?: number
}

/**
 * A client of one room that comes back with its position, and complains about everything that it should have got otherwise: a hole, a
 * message twice, another text than was published, or a position that changes without a reason.
 */
export class FollowedClient {
  readonly name: string
  readonly complaints: string[] = []
  /** The reasons of the gaps that it was told. */
  readonly gaps: string[] = []
  readonly got: string[] = []
  position: Position | undefined
  #socket: WebSocket | undefined
  #isNew = true
  /** The texts that it has got, by where they were: compared at the end, when all answers have come. */
  readonly #texts: [key: string, text: string][] = []

  constructor(name: string) {
    this.name = name
  }

  get isOpen(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN
  }

  /** Connects, and joins the room again. Resolves when the server has told the position. */
  async connect(url: string): Promise<void> {
    this.cut()
    const socket = new WebSocket(url, ['blaze.v1'])
    this.#socket = socket
    this.#isNew = true
    let isJoined = false
    socket.on('error', () => {})
    socket.on('open', () => {
      const positions = this.position && { lobby: this.position }
      socket.send(JSON.stringify({ jsonrpc: '2.0', id: 'h', method: 'rpc.hello', params: { positions } }))
    })
    socket.on('message', (data: Buffer) => {
      // What comes after a cut is on no wire any more.
      if (this.#socket !== socket) return
      const frame = JSON.parse(data.toString()) as Frame
      if (frame.method === 'rpc.joined') isJoined = true
      this.#take(frame)
    })
    await eventually(() => isJoined || this.#socket !== socket, `${this.name} joins`)
  }

  /** Stops reading, once it has joined. */
  pause(): void {
    if (!this.#isNew) this.#socket?.pause()
  }

  resume(): void {
    this.#socket?.resume()
  }

  /** The connection breaks. */
  cut(): void {
    this.#socket?.terminate()
    this.#socket = undefined
  }

  /** Compares what it has got with what was published. */
  compare(model: Model): void {
    for (const [key, text] of this.#texts)
      if (model.get(key) !== text) this.#complain(`${key} is "${text}" in place of "${model.get(key)}"`)
  }

  #take({ method, params, offset }: Frame): void {
    if (method === 'rpc.joined' && params !== undefined) this.#onJoined(params)
    else if (method === 'said') this.#onSaid(offset as number, params?.text ?? '')
    else if (method === 'rpc.left') this.position = undefined
  }

  #onJoined({ epoch, offset, recovered, reason }: NonNullable<Frame['params']>): void {
    const { position } = this
    if (recovered === false) this.gaps.push(reason ?? 'without a reason')
    else if (position !== undefined && keyOf(position) !== keyOf({ epoch, offset }))
      this.#complain(`was moved from ${keyOf(position)} to ${epoch} ${offset} without a gap`)
    if (this.#isNew && position !== undefined && recovered === undefined) this.#complain('was not told of its position')
    this.#isNew = false
    this.position = { epoch, offset }
  }

  #onSaid(offset: number, text: string): void {
    const { position } = this
    if (position === undefined) return this.#complain(`got ${offset} before its position`)
    if (offset !== position.offset + 1) this.#complain(`got ${offset} after ${keyOf(position)}`)
    this.position = { epoch: position.epoch, offset }
    this.#texts.push([keyOf(this.position), text])
    this.got.push(text)
  }

  #complain(what: string): void {
    this.complaints.push(`${this.name} ${what}`)
  }
}
