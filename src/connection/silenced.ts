const ignore = (): void => {}

/** The same promise, which ends no process where it is rejected and nobody waits for it. */
export function markHandled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore)
  return promise
}

/** A rejected promise that ends no process where nobody waits for it. */
export function rejected(error: Error): Promise<never> {
  return markHandled(Promise.reject(error))
}
