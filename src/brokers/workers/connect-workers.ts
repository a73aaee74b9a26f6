import cluster, { type Worker } from 'node:cluster'
import { errors } from '../../internal/errors.ts'
import { shared } from '../../internal/package-copies.ts'
import { type Bytes, bytesOf, type Notice, requestIn, sealed } from './frames.ts'
import { Port, Switchboard } from './switchboard.ts'

/** What `connectWorkers` has made in this process, and how to end it. Two copies of this package must not pass each message twice. */
const here = shared<{ current?: { switchboard: Switchboard; end: () => void } | undefined }>('workers', () => ({}))

/** The switchboard of this process; undefined if `connectWorkers` was not called here. */
export function switchboardHere(): Switchboard | undefined {
  return here.current?.switchboard
}

/** The way from the primary to one worker. */
class WorkerPort extends Port {
  readonly #worker: Worker
  #takesBytes = false

  constructor(worker: Worker) {
    super()
    this.#worker = worker
  }

  /** With JSON, a Buffer arrives as an object that is no view. */
  override learn(sample: Uint8Array): void {
    this.#takesBytes = ArrayBuffer.isView(sample)
  }

  send(notice: Notice, done: () => void): void {
    const batch = notice.batch === undefined ? {} : { batch: this.#encoded(notice.batch) }
    this.#worker.send(sealed({ ...notice, ...batch, takesBytes: this.#takesBytes }), done)
  }

  #encoded(bytes: Bytes): Bytes {
    return this.#takesBytes ? bytes : bytesOf(bytes).toString('base64')
  }
}

/**
 * Passes messages between the workers of `node:cluster`, so that their `clusterBroker()`s reach each other. Call it once in the
 * primary; workers that are forked later are connected too. Bytes pass best after
 * `cluster.setupPrimary({ serialization: 'advanced' })`, and otherwise as base64. A second call changes nothing.
 *
 * The messages are among those that `message` listeners of your own get: ignore what has the key `fastify-blaze-ws`.
 *
 * @returns a function that ends it. Brokers are then degraded until `connectWorkers` is called again.
 * @throws FST_BLAZE_WS_INVALID_ARGUMENT in a worker.
 */
export function connectWorkers(): () => void {
  if (!cluster.isPrimary)
    throw new errors.INVALID_ARGUMENT(
      'process',
      'connectWorkers() is for the primary of node:cluster, not for a worker'
    )
  return (here.current ??= connect()).end
}

function connect(): { switchboard: Switchboard; end: () => void } {
  const switchboard = new Switchboard()
  const ports = new WeakMap<Worker, WorkerPort>()
  const portOf = (worker: Worker): WorkerPort => {
    let port = ports.get(worker)
    if (port === undefined) ports.set(worker, (port = new WorkerPort(worker)))
    return port
  }
  const onMessage = (worker: Worker, message: unknown): void => {
    const request = requestIn(message)
    if (request !== undefined) switchboard.take(request, portOf(worker))
  }
  const onDisconnect = (worker: Worker): void => switchboard.drop(portOf(worker))
  cluster.on('message', onMessage)
  cluster.on('disconnect', onDisconnect)
  const end = (): void => {
    if (here.current?.end !== end) return
    here.current = undefined
    cluster.off('message', onMessage)
    cluster.off('disconnect', onDisconnect)
    switchboard.close()
  }
  return { switchboard, end }
}
