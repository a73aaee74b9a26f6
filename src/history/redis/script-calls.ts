// Calls scripts over one connection, in the order of the calls, although the server may forget its scripts at any time.

import { allSettled, type RedisConnection } from '../../brokers/redis/driver.ts'
import { ignoreRefusal, unavailable } from '../../brokers/redis/errors.ts'
import { type Script, SCRIPTS } from './scripts.ts'

/** One call of a script. */
export interface ScriptCall {
  readonly script: Script
  readonly keys: readonly string[]
  readonly args: readonly (string | Buffer)[]
}

interface Pending {
  readonly call: ScriptCall
  resolve(answer: unknown): void
  reject(error: Error): void
}

/**
 * Sends the hash of a script in place of its source. If the server no longer has the script (NOSCRIPT), the source is sent once all calls
 * that are under way are answered, so that no later one overtakes.
 */
export class ScriptCalls {
  readonly #connection: RedisConnection
  /** How many calls wait for their answers. */
  #underWay = 0
  /** Calls whose script the server did not have. They are repeated when all calls that are under way are answered. */
  #missing: Pending[] = []
  /** Calls that were made in the meantime. They wait, so that this time ends. */
  #held: Pending[] = []

  constructor(connection: RedisConnection) {
    this.#connection = connection
  }

  /** Has the server load the scripts. A user who may not do that can still send their sources. */
  async load(): Promise<void> {
    await allSettled(
      Object.values(SCRIPTS).map(({ source }) => ignoreRefusal(this.#connection.command(['SCRIPT', 'LOAD', source])))
    )
  }

  run(call: ScriptCall): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const pending = { call, resolve, reject }
      if (this.#missing.length > 0 || this.#held.length > 0) this.#held.push(pending)
      else this.#send(pending, 'EVALSHA', call.script.sha)
    })
  }

  #send(pending: Pending, command: 'EVALSHA' | 'EVAL', script: string): void {
    const { keys, args } = pending.call
    this.#underWay++
    this.#connection.command([command, script, `${keys.length}`, ...keys, ...args]).then(
      (answer) => this.#onAnswer(pending, answer),
      (error: Error) => this.#onError(pending, error)
    )
  }

  #onAnswer(pending: Pending, answer: unknown): void {
    this.#giveUpOvertaken()
    pending.resolve(answer)
    this.#onSettled()
  }

  #onError(pending: Pending, error: Error): void {
    if (isNoScript(error)) this.#missing.push(pending)
    else pending.reject(error)
    this.#onSettled()
  }

  /** A later call found its script, because another client has loaded it in between. The calls that did not are too late now. */
  #giveUpOvertaken(): void {
    for (const pending of this.#missing.splice(0)) pending.reject(unavailable('the server has lost a script'))
  }

  #onSettled(): void {
    if (--this.#underWay > 0) return
    const missing = this.#missing.splice(0)
    const held = this.#held.splice(0)
    for (const pending of missing) this.#send(pending, 'EVAL', pending.call.script.source)
    for (const pending of held) this.#send(pending, 'EVALSHA', pending.call.script.sha)
  }
}

function isNoScript(error: Error): boolean {
  return error.message.startsWith('NOSCRIPT')
}
