import { withinTime } from '../../internal/promises.ts'
import { unavailable } from './connection.ts'
import { CONNECT_TIMEOUT, retryDelay, type Topology } from './driver.ts'

/** Between two questions that commands have led to, at least so many milliseconds pass. */
const PAUSE = 50

/** Knows which server of a cluster has which slot. It asks until it gets an answer, and again when it was wrong. */
export class ClusterMap {
  readonly #discover: () => Promise<Topology>
  readonly #changed: (topology: Topology) => void
  readonly #failed: (error: Error) => void
  #asking: Promise<Topology> | undefined
  #askedAt = -Infinity
  #failures = 0
  #timer: NodeJS.Timeout | undefined
  #isClosed = false
  current: Topology | undefined

  /** `changed` is told of each answer, `failed` where there is none. */
  constructor(
    discover: () => Promise<Topology>,
    changed: (topology: Topology) => void,
    failed: (error: Error) => void
  ) {
    this.#discover = discover
    this.#changed = changed
    this.#failed = failed
  }

  /** How long ago it was asked, in milliseconds. */
  get age(): number {
    return performance.now() - this.#askedAt
  }

  /** Asks again, where nobody is asking already. */
  refresh(): Promise<Topology> {
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined))
    return this.#asking
  }

  /** What it says may be wrong. */
  doubt(): void {
    if (this.#isClosed || this.age < PAUSE) return
    this.refresh().catch(() => {})
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  async #ask(): Promise<Topology> {
    clearTimeout(this.#timer)
    this.#askedAt = performance.now()
    try {
      const topology = await withinTime(
        CONNECT_TIMEOUT,
        this.#discover(),
        () => new Error(`no server has answered for ${CONNECT_TIMEOUT} ms`)
      )
      this.#failures = 0
      this.current = topology
      if (!this.#isClosed) this.#changed(topology)
      return topology
    } catch (error) {
      throw this.#retry(unavailable('no server of the cluster can be reached', error as Error))
    }
  }

  #retry(error: Error): Error {
    if (this.#isClosed) return error
    this.#timer = setTimeout(() => this.refresh().catch(() => {}), retryDelay(++this.#failures)).unref()
    this.#failed(error)
    return error
  }
}
