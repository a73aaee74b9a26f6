import type { FastifyRequest } from 'fastify'
import type { WebSocketConnection } from '../connection/connection.ts'
import { CloseCode, isCloseError, isSendableCloseCode } from '../internal/close-codes.ts'
import type { Shutdown } from '../shutdown/shutdown.ts'

/** Closes a connection whose handler has thrown or rejected. Logs the error, unless the end of the connection caused it. */
export function closeAfterError(
  ws: WebSocketConnection,
  request: FastifyRequest,
  error: unknown,
  shutdown: Shutdown
): void {
  try {
    if (isCausedByClose(error, ws)) shutdown.closeSettled(ws)
    else closeAndLog(ws, request, error)
  } catch (unreadable) {
    // A handler can throw any value, also one whose properties throw when they are read.
    void ws.close(CloseCode.InternalServerError, 'internal error')
    try {
      request.log.error({ err: unreadable }, 'websocket handler failed with an error that cannot be read')
    } catch {
      // The logger itself failed.
    }
  }
}

/** True if an error only says that this connection is closed, or that the server is shutting down. */
function isCausedByClose(error: unknown, ws: WebSocketConnection): boolean {
  if (!ws.isClosed() && !ws.context().isShuttingDown()) return false
  if (isCloseError(error)) return true
  // A function that takes an AbortSignal rejects with the signal's reason, or with an AbortError that may have it as its cause.
  const { name, cause } = (error ?? {}) as Partial<Error>
  return name === 'AbortError' && (cause === undefined || isCloseError(cause) || ws.context().isShuttingDown())
}

function closeAndLog(ws: WebSocketConnection, request: FastifyRequest, error: unknown): void {
  const { session } = ws
  session.events.onFailed?.(session)
  const code = (error as { closeCode?: unknown } | null | undefined)?.closeCode
  const hasCode = isSendableCloseCode(code)
  const closeCode = hasCode ? code : CloseCode.InternalServerError
  void ws.close(closeCode, hasCode ? reasonOf(error) : 'internal error')
  request.log[hasCode ? 'warn' : 'error']({ err: error, closeCode }, 'websocket handler failed')
}

/**
 * The reason to send to the client. Only an error with its own code and reason was made for the client to see. The reason of a
 * `CloseError` may come from the client of another connection, and is not sent.
 */
function reasonOf(error: unknown): string {
  if (isCloseError(error)) return ''
  const { reason } = error as { reason?: unknown }
  return typeof reason === 'string' ? reason : ''
}
