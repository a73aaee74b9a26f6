import { once } from 'node:events'
import { createServer, connect as connectTo, type Socket } from 'node:net'
import { freePort } from './engines.ts'

/** Stands between clients and a server, and can cut all connections. */
export class Proxy {
  readonly port: number
  readonly #sockets = new Set<Socket>()
  readonly #server: ReturnType<typeof createServer>
  /** True while it refuses new connections. */
  isCut = false

  private constructor(port: number, target: number) {
    this.port = port
    this.#server = createServer((client) => {
      if (this.isCut) {
        client.resetAndDestroy()
        return
      }
      const server = connectTo(target, '127.0.0.1')
      for (const socket of [client, server]) {
        this.#sockets.add(socket)
        socket.on('error', () => {})
        socket.on('close', () => this.#sockets.delete(socket))
      }
      client.pipe(server).pipe(client)
    }).listen(port, '127.0.0.1')
  }

  static async start(target: number): Promise<Proxy> {
    const proxy = new Proxy(await freePort(), target)
    await once(proxy.#server, 'listening')
    return proxy
  }

  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  close(): void {
    this.#server.close()
    this.cut()
  }
}
