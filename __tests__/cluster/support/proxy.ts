import { once } from 'node:events'
import { createServer, connect as connectTo, type Socket } from 'node:net'
import { freePort } from './engines.ts'

/** Picks an index below the given count. */
type Pick = (count: number) => number

/** A proxy between clients and a server that can cut and freeze connections. */
export class Proxy {
  readonly port: number
  readonly #sockets = new Set<Socket>()
  readonly #connections = new Set<[client: Socket, server: Socket]>()
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
      const connection: [Socket, Socket] = [client, server]
      this.#connections.add(connection)
      for (const socket of connection) {
        this.#sockets.add(socket)
        socket.on('error', () => {})
        socket.on('close', () => {
          this.#sockets.delete(socket)
          this.#connections.delete(connection)
        })
      }
      // A connection that ends without a FIN on one side must not stay open on the other.
      client.on('close', () => server.destroy())
      server.on('close', () => client.destroy())
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

  /** Cuts one connection. */
  cutOne(pick: Pick): void {
    for (const socket of this.#one(pick)) socket.resetAndDestroy()
  }

  /** Freezes one connection until the returned function is called. */
  holdOne(pick: Pick): () => void {
    const connection = this.#one(pick)
    for (const socket of connection) socket.pause()
    return () => {
      for (const socket of connection) socket.resume()
    }
  }

  close(): void {
    this.#server.close()
    this.cut()
  }

  #one(pick: Pick): Socket[] {
    return [...this.#connections][pick(this.#connections.size)] ?? []
  }
}
