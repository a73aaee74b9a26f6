const ignore = (): void => {}

/** The same promise, which ends no process where it is rejected and nobody waits for it. */
export function harmless<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore)
  return promise
}

/** A rejected promise that ends no process where nobody waits for it. */
export function silenced(error: Error): Promise<never> {
  return harmless(Promise.reject(error))
}
