import { ContractError } from '../contract/contract-error.ts'
import { type RpcError, RpcErrorCode } from '../rpc/json-rpc.ts'
import { ClientError } from './client-error.ts'
import type { Message } from './frames.ts'
import { RejectedError } from './rejected-error.ts'
import { delayOf } from './timers.ts'

interface PendingCall {
  readonly name: string
  /** Ends the timer and the watch on the signal. */
  settle(): void
  resolve(value: unknown): void
  reject(error: unknown): void
}

/** The calls that wait for their answers. */
export class Calls {
  readonly #pending = new Map<unknown, PendingCall>()
  #lastId = 0

  /** Sends a call, and resolves with its answer. */
  start(name: string, send: (id: string) => void, timeout: number, signal?: AbortSignal): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) throw signal.reason
      const id = `c${++this.#lastId}`
      send(id)
      const timer = setTimeout(
        () => this.#take(id)?.reject(new ClientError('TIMEOUT', `no answer to ${name} within ${timeout} ms`)),
        delayOf(timeout)
      )
      const onAbort = (): void => this.#take(id)?.reject(signal?.reason)
      signal?.addEventListener('abort', onAbort)
      const settle = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
      }
      this.#pending.set(id, { name, settle, resolve, reject })
    })
  }

  /** Settles the call that a response is for. A late response is ignored. */
  settle({ id, result, error }: Message): void {
    const call = this.#take(id)
    if (error) call?.reject(errorOf(call.name, error))
    else call?.resolve(result ?? undefined)
  }

  /** No answer can come any more. */
  rejectAll(error: Error): void {
    for (const id of this.#pending.keys()) this.#take(id)?.reject(error)
  }

  #take(id: unknown): PendingCall | undefined {
    const call = this.#pending.get(id)
    this.#pending.delete(id)
    call?.settle()
    return call
  }
}

function errorOf(name: string, error: RpcError): Error {
  const { code, message, data } = error
  const own = (data as { code?: unknown } | null | undefined)?.code
  if (code === RpcErrorCode.Contract && typeof own === 'string') return new ContractError(own, message, data as object)
  return new RejectedError(name, error)
}
