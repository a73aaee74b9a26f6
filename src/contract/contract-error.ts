import type { AnyContract, ErrorsOf, Of } from './types.ts'

/** How errors of this class are recognized across copies of the package, such as its ES module and CommonJS forms. */
const CODE = 'FST_BLAZE_WS_CONTRACT_ERROR'

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
  /** @internal */
  readonly '~kind': string = CODE

  constructor(code: Code, message: string = code, data?: object) {
    super(message)
    this.code = code
    this.data = data
  }
}

/** True for a `ContractError`, also one of another copy of this package. */
export function isAnyContractError(error: unknown): error is ContractError {
  return (error as { '~kind'?: unknown } | null | undefined)?.['~kind'] === CODE
}

/**
 * True for a `ContractError` with a code that the contract declares for this call. It types `error.code`:
 *
 * ```ts
 * catch (error) {
 *   if (isContractError(error, chat, 'rename') && error.code === 'taken') …
 * }
 * ```
 */
export function isContractError<C extends AnyContract, K extends keyof Of<C, 'calls'>>(
  error: unknown,
  contract: C,
  call: K
): error is ContractError<ErrorsOf<Of<C, 'calls'>[K]>> {
  const { calls } = contract as unknown as { calls?: Record<PropertyKey, { errors?: readonly string[] } | undefined> }
  return isAnyContractError(error) && calls?.[call]?.errors?.includes(error.code) === true
}
