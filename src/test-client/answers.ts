import { isAnyContractError } from '../contract/contract-error.ts'
import { type Id, RpcErrorCode } from '../rpc/json-rpc.ts'
import { errorText, resultText } from '../rpc/texts.ts'

/** The functions that answer the server's asks, by name. */
export type AnswerFunctions = Readonly<Record<string, ((input: never) => unknown) | undefined>>

/** The answer to an ask. Never rejects. */
export async function answerText(id: Id, answer: AnswerFunctions[string], input: unknown): Promise<string> {
  if (answer === undefined) return errorText(id, { code: RpcErrorCode.MethodNotFound, message: 'Method not found' })
  try {
    return resultText(id, JSON.stringify(await answer(input as never)))
  } catch (error) {
    return errorText(id, errorOf(error))
  }
}

/** The server sees why the function has failed, because that helps to find out why a test fails. */
function errorOf(error: unknown): { code: number; message: string; data?: object } {
  const message = error instanceof Error ? error.message : String(error)
  if (!isAnyContractError(error)) return { code: RpcErrorCode.InternalError, message }
  return { code: RpcErrorCode.Contract, message, data: { ...error.data, code: error.code } }
}
