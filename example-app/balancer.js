import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/**
 * Forwards TCP connections to servers on this machine, in turn. It does not look at the data, so HTTP and WebSockets both work.
 * There are no sticky sessions: each connection of a client may go to another server.
 */
export class Balancer {
  #targets = []
  #turn = 0
  #sockets = new Set()
  // Half-open connections are allowed: after one side has ended, the other may still answer.
  #server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#serve(client))

  add(port) {
    if (!this.#targets.includes(port)) this.#targets.push(port)
  }

  /** The server gets no more connections; open ones stay. */
  remove(port) {
    this.#targets = this.#targets.filter((target) => target !== port)
  }

  /** Listens, and resolves to the port. */
  async listen(port, host) {
    this.#server.listen(port, host)
    await once(this.#server, 'listening')
    return this.#server.address().port
  }

  /** Stops listening, and drops open connections. */
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

  /** Tries the servers in turn. If none accepts the connection, the client is dropped. */
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
    // `close` follows every error.
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
    return socket
  }
}

/** Connects two sockets with each other. When one closes, the other is destroyed. */
function join(a, b) {
  a.pipe(b).pipe(a)
  a.once('close', () => b.destroy())
  b.once('close', () => a.destroy())
}
