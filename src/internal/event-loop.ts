/*
 * Node's functions as they were at import. What a connection does at once does not depend on time, so the fake timers of a test
 * runner must not stop it; those of Jest replace even `process.nextTick`.
 */

/** `process.nextTick`. */
export const nextTick: (callback: () => void) => void = process.nextTick.bind(process)
/** `queueMicrotask`. */
export const microtask: (callback: () => void) => void = globalThis.queueMicrotask
/** `setImmediate`. */
export const immediate: (callback: () => void) => void = globalThis.setImmediate
