import { setTimeout as sleep } from 'node:timers/promises'
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
 * Waits until the promise settles, at most `time` milliseconds. Rejects if the promise rejects in that time. Keeps the process
 * alive while it waits.
 */
export async function withTimeout(time: number, promise: Promise<unknown>): Promise<void> {
  const timer = new AbortController()
  const timeout = sleep(Math.min(time, MAX_DELAY), undefined, { signal: timer.signal }).catch(ignore)
  try {
    await Promise.race([promise, timeout])
  } finally {
    timer.abort()
  }
}

/** Rejects with this error where a promise has not settled in time. */
export async function withinTime<T>(time: number, promise: Promise<T>, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const isLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), time).unref()
  })
  try {
    return await Promise.race([promise, isLate])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Calls `onTimeout` if the promise has not settled after `time` milliseconds. Returns a promise that settles like the given
 * one, before or after that. The timer does not keep the process alive.
 */
export function withDeadline<T>(time: number, promise: Promise<T>, onTimeout: () => void): Promise<T> {
  const timer = setTimeout(onTimeout, time).unref()
  return promise.finally(() => clearTimeout(timer))
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
