import { errors } from '../../errors.ts'

/** How long a command waits for the first connection, in milliseconds. */
const FIRST_CONNECTION = 2_000

interface Connectable {
  connect(): Promise<unknown>
}

/**
 * One of our own connections, made when it is first needed. Commands wait for its first connection, and for no other: what
 * cannot be sent then is refused at once.
 */
export class Connection<Client extends Connectable> {
  readonly #make: () => Client
  readonly #isReady: (client: Client) => boolean
  #first: Promise<void> | undefined
  client: Client | undefined
  /** Why there is none, as far as the client has said. */
  lastError: Error | undefined

  constructor(make: () => Client, isReady: (client: Client) => boolean) {
    this.#make = make
    this.#isReady = isReady
  }

  /** The client, where it can send at once and nobody waits who would be overtaken. */
  now(): Client | undefined {
    return this.client !== undefined && this.#first === undefined && this.#isReady(this.client) ? this.client : undefined
  }

  /** The client, ready to send. @throws FST_BLAZE_WS_BROKER_UNAVAILABLE */
  async ready(): Promise<Client> {
    this.client ??= this.#open()
    if (this.#first !== undefined) await this.#first
    if (!this.#isReady(this.client)) throw this.unavailable('there is no connection')
    return this.client
  }

  /** An error that says what the client has said. */
  unavailable(what: string): Error {
    const cause = this.lastError
    return Object.assign(new errors.BROKER_UNAVAILABLE(cause === undefined ? what : `${what}: ${messageOf(cause)}`), { cause })
  }

  #open(): Client {
    const client = this.#make()
    this.#first = within(client.connect(), FIRST_CONNECTION)
    // Behind those who wait: nobody may overtake them.
    void this.#first.then(() => setImmediate(() => (this.#first = undefined)))
    return client
  }
}

/** Where several addresses were tried, the error itself has nothing to say. */
function messageOf(error: Error & { code?: string; errors?: Error[] }): string {
  return error.message || error.errors?.map(({ message }) => message).join(', ') || (error.code ?? error.name)
}

/** Settles with the promise, and at the latest after this time; never rejects. */
async function within(promise: Promise<unknown>, time: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, time).unref()
  })
  await Promise.race([promise.catch(() => {}), late])
  clearTimeout(timer)
}
