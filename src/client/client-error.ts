/**
 * Why a client could not do something:
 * - `TIMEOUT`: no answer came in time.
 * - `OFFLINE`: there is no open connection.
 * - `QUEUE_FULL`: 100 events wait for a connection already.
 * - `CLOSED`: the client was closed, or the server does not want it back.
 * - `CONNECTION_LOST`: the connection broke while the call ran. The server may have done what was asked.
 */
export type ClientErrorCode = 'TIMEOUT' | 'OFFLINE' | 'QUEUE_FULL' | 'CLOSED' | 'CONNECTION_LOST'

/** `send`, `call` and `ready` reject with it if the connection is the reason. */
export class ClientError extends Error {
  override readonly name = 'ClientError'
  readonly code: ClientErrorCode

  constructor(code: ClientErrorCode, message: string) {
    super(message)
    this.code = code
  }
}
