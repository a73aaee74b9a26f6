/** Tells of an error that nobody can catch: as an uncaught one in browsers, and as a warning in Node, whose processes it would end. */
export function report(error: unknown): void {
  const { reportError, process } = globalThis as {
    reportError?: (error: unknown) => void
    process?: { emitWarning?(warning: string): void }
  }
  if (reportError !== undefined) reportError(error)
  else process?.emitWarning?.(String((error as Error | undefined)?.stack ?? error))
}

export function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
