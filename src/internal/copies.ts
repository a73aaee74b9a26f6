/**
 * An application that imports this package while a dependency of it requires it has two copies of it in one process. What is
 * here lets them work together. The number changes when the objects of one release are of no use to the code of another.
 */
const SCOPE = 'fastify-blaze-ws/1'

type Constructor = abstract new (...args: never[]) => object

/** Makes `instanceof` true for the instances of every copy of this class. A class derived from it keeps the ordinary `instanceof`. */
export function brand(constructor: Constructor, name: string): void {
  const mark = Symbol.for(`${SCOPE}.${name}`)
  Object.defineProperty(constructor.prototype, mark, { value: true })
  Object.defineProperty(constructor, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      if (this !== constructor) return Function.prototype[Symbol.hasInstance].call(this, value)
      return typeof value === 'object' && value !== null && mark in value
    }
  })
}

/** A value that all copies have in common; the first one that asks for it makes it. */
export function shared<T>(name: string, make: () => T): T {
  const values = globalThis as unknown as Record<symbol, T | undefined>
  return (values[Symbol.for(`${SCOPE}.${name}`)] ??= make())
}
