import { ContractError, isAnyContractError } from '../contract/contract-error.ts'
import { isCloseError } from '../internal/close-codes.ts'
import { type Id, type RpcError, RpcErrorCode } from '../rpc/json-rpc.ts'
import type { CallCheck, CompiledContract } from '../schemas/compiled-contract.ts'
import type { Issue } from '../schemas/data-check.ts'
import { errorText, resultText } from '../rpc/texts.ts'

/** The third argument of the function for a call. */
export interface CallContext<Code extends string = string> {
  /** Aborted when the connection ends. */
  readonly signal: AbortSignal
  /** Makes an error of the contract: `throw fail('taken')`. TypeScript checks its code. */
  fail(code: Code, message?: string, data?: object): ContractError<Code>
}

/** The functions of a route for the calls of its contract. */
export type CallFunctions = Readonly<Record<string, (input: unknown, ws: unknown, context: CallContext) => unknown>>

/** What calls need of their connection. */
export interface CallingConnection {
  readonly signal: AbortSignal
  readonly request: { readonly log: { error(details: object, message: string): void } }
}

const fail: CallContext['fail'] = (code, message, data) => new ContractError(code, message, data)

/** Answers the calls of a connection. */
export class Calls {
  readonly #contract: CompiledContract
  readonly #functions: CallFunctions
  readonly #ws: unknown
  readonly #connection: CallingConnection

  /** @param ws the second argument of the functions. */
  constructor(contract: CompiledContract, functions: CallFunctions, ws: unknown, connection: CallingConnection) {
    this.#contract = contract
    this.#functions = functions
    this.#ws = ws
    this.#connection = connection
  }

  /** Runs a call and returns the text of its response. Never rejects. */
  async answer(id: Id, name: string, params: object | undefined): Promise<string> {
    const check = this.#contract.call(name)
    if (check === undefined) return errorText(id, methodNotFound())
    try {
      const checked = await check.input.incoming(params)
      if ('issues' in checked) return errorText(id, invalidParams(checked.issues))
      return resultText(id, check.output.outgoing(await this.#run(name, checked.value)))
    } catch (error) {
      return this.#textOf(error, id, name, check)
    }
  }

  #run(name: string, input: unknown): unknown {
    const run = this.#functions[name] as CallFunctions[string]
    return run(input, this.#ws, { signal: this.#connection.signal, fail })
  }

  #textOf(error: unknown, id: Id, call: string, check: CallCheck): string {
    try {
      return errorText(id, this.#errorOf(error, call, check))
    } catch (cause) {
      // The data of the error has no JSON form.
      return errorText(id, this.#errorOf(cause, call, check))
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
    if (!isCloseError(error))
      this.#connection.request.log.error({ err: error, call }, 'a call of a WebSocket contract failed')
    return { code: RpcErrorCode.InternalError, message: 'internal error' }
  }
}

export function methodNotFound(): RpcError {
  return { code: RpcErrorCode.MethodNotFound, message: 'Method not found' }
}

export function invalidParams(issues: readonly Issue[]): RpcError {
  return { code: RpcErrorCode.InvalidParams, message: 'Invalid params', data: issues }
}
