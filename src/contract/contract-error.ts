import type { Definition } from './definition.ts'
import type { AnyContract, ErrorsOf, Get, Of } from './types.ts'

/** Marks errors of this class, also for other copies of the package, such as its ES module and CommonJS forms. */
const CONTRACT_ERROR: unique symbol = Symbol.for('fastify-blaze-ws/1.contract-error')

/**
 * An error that a contract declares for a call or an ask. On the server, `throw new ContractError('taken')` answers with it;
 * `fail('taken')` does the same and lets TypeScript check the code. On the client, a call rejects with it.
 */
export class ContractError<Code extends string = string> extends Error {
  override readonly name: string = 'ContractError'
  /** The code that the contract declares, such as `taken`. */
  readonly code: Code
  /** More about the error. It is sent to the other side. */
  readonly data: object | undefined

  constructor(code: Code, message: string = code, data?: object) {
    super(message)
    this.code = code
    this.data = data
  }

  /** @internal */
  get [CONTRACT_ERROR](): true {
    return true
  }
}

/** True for a `ContractError`, also one of another copy of this package. */
export function isAnyContractError(error: unknown): error is ContractError {
  return typeof error === 'object' && error !== null && CONTRACT_ERROR in error
}

// Its types have no aliases, because error messages would name these instead of the calls and codes.
/**
 * True for a `ContractError` with a code that the contract declares for this call or ask. It types `error.code`:
 *
 * ```ts
 * catch (error) {
 *   if (isContractError(error, chat, 'rename') && error.code === 'taken') …
 * }
 * ```
 */
export function isContractError<C extends AnyContract, K extends keyof Of<C, 'calls'> | keyof Of<C, 'asks'>>(
  error: unknown,
  contract: C,
  name: K
): error is ContractError<ErrorsOf<Get<Of<C, 'calls'>, K & string>> | ErrorsOf<Get<Of<C, 'asks'>, K & string>>> {
  if (!isAnyContractError(error)) return false
  const { calls, asks } = contract as unknown as Definition
  return [calls, asks].some((all) => all[name as string]?.errors?.includes(error.code) === true)
}
