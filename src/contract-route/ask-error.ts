/** Why an ask has no answer: it took too long, the connection is closing or closed, or the client cannot answer it. */
export type AskErrorCode = 'TIMEOUT' | 'CLOSED' | 'UNANSWERED'

/** `ws.ask()` rejects with it if the client has not answered. */
export class AskError extends Error {
  override readonly name = 'AskError'
  readonly code: AskErrorCode

  constructor(code: AskErrorCode, message: string) {
    super(message)
    this.code = code
  }
}
