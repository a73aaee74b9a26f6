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
    if (!this.#isReady(this.client)) throw new errors.BROKER_UNAVAILABLE('there is no connection')
    return this.client
  }

  #open(): Client {
    const client = this.#make()
    this.#first = within(client.connect(), FIRST_CONNECTION)
    // Behind those who wait: nobody may overtake them.
    void this.#first.then(() => setImmediate(() => (this.#first = undefined)))
    return client
  }
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
