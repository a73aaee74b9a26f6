import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/**
 * Passes connections on to servers of this machine, to each in turn, and looks at nothing that goes through: what is HTTP or a
 * WebSocket, from whom and for whom is the servers' business. No client is bound to a server.
 */
export class Balancer {
  #targets = []
  #turn = 0
  #sockets = new Set()
  // What a client or a server has said to its end may still have an answer.
  #server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#serve(client))

  add(port) {
    if (!this.#targets.includes(port)) this.#targets.push(port)
  }

  /** Gets no more connections; those that it has stay. */
  remove(port) {
    this.#targets = this.#targets.filter((target) => target !== port)
  }

  /** Resolves to the port that it listens on. */
  async listen(port, host) {
    this.#server.listen(port, host)
    await once(this.#server, 'listening')
    return this.#server.address().port
  }

  /** Drops what is still connected. */
  async close() {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #serve(client) {
    this.#keep(client)
    const first = this.#turn++
    const targets = this.#targets.map((_, i, all) => all[(first + i) % all.length])
    this.#connect(client, targets)
  }

  /** A server that refuses is passed over; where all do, the client is refused, too. */
  #connect(client, [port, ...others]) {
    if (port === undefined) client.destroy()
    if (client.destroyed) return
    const server = this.#keep(connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true }))
    const refused = () => this.#connect(client, others)
    server.once('error', refused)
    server.once('connect', () => {
      server.off('error', refused)
      if (client.destroyed) server.destroy()
      else join(client, server)
    })
  }

  #keep(socket) {
    this.#sockets.add(socket)
    // `close` follows, and says all that matters.
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
    return socket
  }
}

/** What one says the other gets; when one is gone, so is the other. */
function join(a, b) {
  a.pipe(b).pipe(a)
  a.once('close', () => b.destroy())
  b.once('close', () => a.destroy())
}
