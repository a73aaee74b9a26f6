import { connect } from 'node:net'
import { Pipe } from './pipe.mjs'

const shared = Buffer.allocUnsafe(65_536)

/** Most bytes come from the nodes. A buffer for each read would cost more than a copy of what was read. */
function intoOneBuffer(onChunk) {
  return {
    buffer: shared,
    callback: (length, buffer) => {
      onChunk(Buffer.from(buffer.subarray(0, length)))
      return true
    }
  }
}

/** The line of one client: all its connections, and what is wrong with them at the moment. */
export class Line {
  /** The absence that goes on: see `absencesOf`. */
  #absence
  /** The pipes of the connections, two for each. */
  #pipes = new Set()
  #sockets = new Set()
  /** Connections that wait for the end of the absence. */
  #held = []

  /** A client wants a connection to the port of a node, and has sent the first bytes. */
  connect(socket, port, head) {
    socket.on('error', () => undefined)
    const { kind, isRefused } = this.#absence ?? {}
    const isHeld = kind === 'freeze' || (kind === 'cut' && !isRefused)
    if (isHeld) {
      socket.pause()
      this.#held.push(() => this.#open(socket, port, head))
    } else if (kind === 'cut') {
      socket.destroy()
    } else {
      this.#open(socket, port, head)
    }
  }

  begin(absence) {
    this.#absence = absence
    if (absence.kind === 'cut') for (const socket of this.#sockets) socket.destroy()
    for (const pipe of this.#pipes) pipe.set(this.#conditions)
  }

  end() {
    this.#absence = undefined
    for (const pipe of this.#pipes) pipe.set(this.#conditions)
    for (const open of this.#held.splice(0)) open()
  }

  get #conditions() {
    return { isFrozen: this.#absence?.kind === 'freeze', delay: this.#absence?.delay ?? 0 }
  }

  #open(socket, port, head) {
    if (socket.destroyed) return
    const node = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: intoOneBuffer((chunk) => toClient.push(chunk))
    })
    const toNode = new Pipe(socket, node, this.#conditions)
    const toClient = new Pipe(node, socket, this.#conditions)
    const pipes = [toNode, toClient]
    for (const pipe of pipes) this.#pipes.add(pipe)
    // What has failed closes, too.
    node.on('error', () => undefined)
    for (const each of [socket, node]) {
      this.#sockets.add(each)
      each.once('close', () => this.#sockets.delete(each))
    }
    node.once('close', () => {
      for (const pipe of pipes) this.#pipes.delete(pipe)
    })
    socket.on('data', (chunk) => toNode.push(chunk))
    toNode.push(head)
  }
}
