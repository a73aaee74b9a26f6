/** What a client needs of a WebSocket: one of a browser, of Node, or of the package `ws`. */
export interface Socket {
  readonly readyState: number
  // oxlint-disable-next-line typescript/no-explicit-any -- each implementation has its own classes of events
  addEventListener(event: 'open' | 'message' | 'close' | 'error', listener: (event: any) => void): void
  send(text: string): void
  close(code?: number): void
  /** Ends the connection at once. Only sockets of `ws` can do that. */
  terminate?(): void
}

/** The class `WebSocket` of a browser, of Node, or of the package `ws`. */
export type SocketClass = new (url: string, protocol: string) => Socket

const OPEN = 1
/** How long a peer has for the closing handshake. */
const CLOSE_WITHIN = 2_000

export function isWritable(socket: Socket | undefined): boolean {
  return socket?.readyState === OPEN
}

/** Closes a socket. What was sent before goes out first. A socket of `ws` would wait long for a peer that is gone. */
export function closeSocket(socket: Socket): void {
  socket.close(1000)
  if (socket.terminate === undefined) return
  const timer = setTimeout(() => dropSocket(socket), CLOSE_WITHIN)
  timer.unref()
  socket.addEventListener('close', () => clearTimeout(timer))
}

/** Ends a connection that is dead. A handshake would wait for a peer that is gone. */
export function dropSocket(socket: Socket): void {
  if (socket.terminate === undefined) socket.close()
  else socket.terminate()
}
