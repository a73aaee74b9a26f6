/**
 * If an application imports this package and one of its dependencies requires it, the process has two copies of the package.
 * The functions in this file let the copies work together, through symbols and globals under this name. The number changes when
 * the code of one release can no longer use the objects of another.
 */
const SCOPE = 'fastify-blaze-ws/1'

type Constructor = abstract new (...args: never[]) => object

/** Makes `instanceof` true for instances of any copy of this class. Subclasses keep the ordinary `instanceof`. */
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

/** A value that all copies share. `make` is called once, by the first copy that needs it. */
export function shared<T>(name: string, make: () => T): T {
  const values = globalThis as unknown as Record<symbol, T | undefined>
  return (values[Symbol.for(`${SCOPE}.${name}`)] ??= make())
}
