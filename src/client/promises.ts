/** A promise that may be ignored: its rejection ends no process and is no uncaught error. */
export function markHandled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}
