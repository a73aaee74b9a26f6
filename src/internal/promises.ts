import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'

/** The longest time that a timer of Node keeps, in milliseconds. */
const MAX = 2 ** 31 - 1

/** Waits until a promise settles, or this many milliseconds have passed. */
export async function withTimeout(time: number, promise: Promise<unknown>): Promise<void> {
  const timer = new AbortController()
  const isOver = sleep(Math.min(time, MAX), undefined, { signal: timer.signal }).catch(() => {})
  try {
    await Promise.race([promise, isOver])
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
 * How long a hook of ours may wait, in milliseconds. A server whose `onReady` or `preClose` hooks take longer than its
 * `pluginTimeout` does not start, or rejects `app.close()`; without one, there is no limit.
 */
export function hookPatience({ initialConfig }: FastifyInstance): number {
  const timeout = initialConfig.pluginTimeout ?? 0
  return timeout > 0 ? timeout * 0.75 : Infinity
}
