import { isAnyContractError } from '../contract/contract-error.ts'
import { type Id, RpcErrorCode } from '../rpc/json-rpc.ts'
import { errorText, resultText } from '../rpc/texts.ts'
import { report } from './report.ts'

export type AnswerFunction = (input: unknown) => unknown

/** The functions that answer what the server asks. */
export class Answers {
  readonly #functions = new Map<string, AnswerFunction>()

  add(functions: Record<string, AnswerFunction | undefined>): void {
    for (const [name, run] of Object.entries(functions)) if (run !== undefined) this.#functions.set(name, run)
  }

  /** Runs a function and returns the text of its response. */
  async answer(id: Id, name: string, input: unknown): Promise<string> {
    const run = this.#functions.get(name)
    if (run === undefined) return errorText(id, { code: RpcErrorCode.MethodNotFound, message: 'Method not found' })
    try {
      return resultText(id, JSON.stringify(await run(input)))
    } catch (error) {
      return errorOf(id, error)
    }
  }
}

/** Only an error of the contract is sent. Anything else is a fault of the page. */
function errorOf(id: Id, error: unknown): string {
  if (isAnyContractError(error)) {
    const { code, message, data } = error
    return errorText(id, { code: RpcErrorCode.Contract, message, data: { ...data, code } })
  }
  report(error)
  return errorText(id, { code: RpcErrorCode.InternalError, message: 'internal error' })
}
