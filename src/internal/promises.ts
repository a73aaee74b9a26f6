import type { FastifyInstance } from 'fastify'

/** The longest time that a timer of Node.js can measure, in milliseconds. */
const MAX_DELAY = 2 ** 31 - 1

const ignore = (): void => {}

/** Marks the promise as handled, so that an unawaited rejection cannot crash the process. Returns the same promise. */
export function markHandled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore)
  return promise
}

/** A rejected promise that is marked as handled. */
export function rejected(error: Error): Promise<never> {
  return markHandled(Promise.reject(error))
}

/**
 * Settles like the promise, or, if that takes longer than `time` milliseconds, like `onTimeout()`. The timer keeps the process
 * alive only if `isRef` is true: for a wait that must end even if nothing else is left to do.
 */
export async function withTimeout<T, Late>(
  promise: Promise<T>,
  time: number,
  onTimeout: () => Late | Promise<Late>,
  { isRef = false } = {}
): Promise<T | Late> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Late>((resolve, reject) => {
    timer = setTimeout(
      () => {
        // `onTimeout` may throw.
        Promise.resolve().then(onTimeout).then(resolve, reject)
      },
      Math.min(time, MAX_DELAY)
    )
    if (!isRef) timer.unref()
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * How long a hook of ours may wait, in milliseconds: three quarters of the server's `pluginTimeout`. If an `onReady` or
 * `preClose` hook takes longer than `pluginTimeout`, the server does not start, or `app.close()` rejects. Without it there is
 * no limit.
 */
export function hookPatience({ initialConfig }: FastifyInstance): number {
  const timeout = initialConfig.pluginTimeout ?? 0
  return timeout > 0 ? timeout * 0.75 : Infinity
}
