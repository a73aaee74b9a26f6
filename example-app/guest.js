import { TokenBucket } from './token-bucket.js'
import { Refusal } from './validate.js'

const RATE = { burst: 10, perSecond: 2 }
const TYPING_RATE = { burst: 2, perSecond: 0.5 }

/** A connection to the chat, and who is behind it: `ws.auth` of the connection. After a join it has an `id`, a `name` and a `room`. */
export class Guest {
  ws
  /** Who the client is, whatever its name and its connection. */
  owner
  id
  name
  room
  #actions = new TokenBucket(RATE)
  #typing = new TokenBucket(TYPING_RATE)

  constructor(ws, owner) {
    this.ws = ws
    this.owner = owner
  }

  /** Throws a Refusal if the guest is too fast. */
  act() {
    if (!this.#actions.take()) throw new Refusal('That was too fast. Wait a moment, then send it again.', 'tooFast')
  }

  /** False if the guest has said often enough that it is typing. The end of it is always worth saying. */
  mayType(active) {
    return this.#actions.take() && (!active || this.#typing.take())
  }
}
