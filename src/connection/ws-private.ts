import type { Duplex } from 'node:stream'
import * as ws from 'ws'

/*
 * All use of parts of `ws` that it does not document. A test fails if a new version of `ws` changes any of them.
 */

type Callback = (error?: Error) => void
/** What `ws` can send. */
export type Data = Parameters<ws.WebSocket['send']>[0]
export type SendOptions = NonNullable<Parameters<ws.WebSocket['send']>[1]>

/** The class with which `ws` makes frames and writes them to a stream. It is exported, but has no types. */
export interface Sender {
  send(data: Data, options: SendOptions & { mask: false; compress: false; fin: boolean }, callback?: Callback): void
  ping(data: Data, mask: false, callback?: Callback): void
  pong(data: Data, mask: false, callback?: Callback): void
}

interface PrivateSender extends Sender {
  _bufferedBytes: number
}

/** A sender of `ws` for a server, without compression. */
export function newSender(stream: Duplex): Sender {
  const { Sender } = ws as unknown as { Sender: new (stream: Duplex, extensions: object) => Sender }
  return new Sender(stream, {})
}

/** How many bytes the sender has not written to its stream yet, because it waits for a Blob. */
export function bufferedBytes(sender: Sender): number {
  return (sender as PrivateSender)._bufferedBytes
}

/** Like the server of `ws`, makes a socket without a connection: it has neither a receiver nor a sender. */
export const UnconnectedWebSocket = ws.WebSocket as unknown as new (
  address: null,
  protocols: undefined,
  options: object
) => ws.WebSocket

/** Sets the stream of a socket, which `createWebSocketStream` looks at. */
export function setStream(socket: ws.WebSocket, stream: Duplex): void {
  ;(socket as unknown as { _socket: Duplex })._socket = stream
}

/** Sets whether the closing handshake is complete, which `addEventListener('close')` looks at. */
export function setWasClean(socket: ws.WebSocket, wasClean: boolean): void {
  Object.assign(socket, { _closeFrameReceived: wasClean, _closeFrameSent: wasClean })
}
