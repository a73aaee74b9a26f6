import { Duplex } from 'node:stream'

/** A stream that is given to code which expects a TCP socket. Servers and clients call these methods on every socket. */
export class SocketLike extends Duplex {
  setTimeout(): this {
    return this
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }
}
