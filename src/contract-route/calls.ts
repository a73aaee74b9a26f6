import { ContractError, isAnyContractError } from '../contract/contract-error.ts'
import type { WebSocketConnection } from '../connection/connection.ts'
import { isCloseError } from '../internal/close-codes.ts'
import { channels } from '../observe/channels.ts'
import { type Id, type RpcError, RpcErrorCode } from '../rpc/json-rpc.ts'
import type { CallCheck, CompiledContract } from '../schemas/compiled-contract.ts'
import type { Issue } from '../schemas/data-check.ts'
import { errorText, resultText } from '../rpc/texts.ts'
import type { Call } from './entries.ts'
import { ObservedCall } from './observed-call.ts'

/** The third argument of the function for a call. */
export interface CallContext<Code extends string = string> {
  /** Aborted when the connection ends. */
  readonly signal: AbortSignal
  /** Makes an error of the contract: `throw fail('taken')`. TypeScript checks its code. */
  fail(code: Code, message?: string, data?: object): ContractError<Code>
}

/** The functions of a route for the calls of its contract. */
export type CallFunctions = Readonly<Record<string, (input: unknown, ws: unknown, context: CallContext) => unknown>>

const fail: CallContext['fail'] = (code, message, data) => new ContractError(code, message, data)

/** Answers the calls of a connection. */
export class Calls {
  readonly #contract: CompiledContract
  readonly #functions: CallFunctions
  readonly #connection: unknown
  readonly #ws: WebSocketConnection

  /** @param connection the second argument of the functions. */
  constructor(contract: CompiledContract, functions: CallFunctions, connection: unknown, ws: WebSocketConnection) {
    this.#contract = contract
    this.#functions = functions
    this.#connection = connection
    this.#ws = ws
  }

  /** Runs a call and returns the text of its response. Never rejects. */
  async answer(call: Call): Promise<string> {
    const { id, method, params } = call
    const check = this.#contract.call(method)
    if (check === undefined) return errorText(id, methodNotFound())
    const observed = channels.call.hasSubscribers ? new ObservedCall(this.#ws, call) : undefined
    try {
      const checked = await check.input.incoming(params)
      if ('issues' in checked) return refusal(id, invalidParams(checked.issues), observed)
      const run = (): unknown => this.#run(method, checked.value)
      const text = resultText(id, check.output.outgoing(await (observed === undefined ? run() : observed.run(run))))
      observed?.end(undefined)
      return text
    } catch (error) {
      return this.#textOf(error, call, check, observed)
    }
  }

  #run(method: string, input: unknown): unknown {
    const run = this.#functions[method] as CallFunctions[string]
    return run(input, this.#connection, { signal: this.#ws.signal, fail })
  }

  #textOf(error: unknown, { id, method }: Call, check: CallCheck, observed: ObservedCall | undefined): string {
    try {
      return refusal(id, this.#errorOf(error, method, check), observed)
    } catch (cause) {
      // The data of the error has no JSON form.
      return refusal(id, this.#errorOf(cause, method, check), observed)
    }
  }

  /** Only an error that the contract declares is sent. Anything else could hold secrets. */
  #errorOf(error: unknown, call: string, { errors: codes }: CallCheck): RpcError {
    if (isAnyContractError(error) && codes.includes(error.code))
      return {
        code: RpcErrorCode.Contract,
        message: error.message,
        data: { ...error.data, code: error.code }
      }
    if (!isCloseError(error)) this.#onFailed(error, call)
    return { code: RpcErrorCode.InternalError, message: 'internal error' }
  }

  #onFailed(error: unknown, call: string): void {
    const { request, session } = this.#ws
    request.log.error({ err: error, call }, 'a call of a WebSocket contract failed')
    session.events.onFailed?.(session)
  }
}

function refusal(id: Id, error: RpcError, observed: ObservedCall | undefined): string {
  const text = errorText(id, error)
  observed?.end(error.code)
  return text
}

export function methodNotFound(): RpcError {
  return { code: RpcErrorCode.MethodNotFound, message: 'Method not found' }
}

export function invalidParams(issues: readonly Issue[]): RpcError {
  return { code: RpcErrorCode.InvalidParams, message: 'Invalid params', data: issues }
}
