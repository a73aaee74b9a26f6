import { describe } from '../internal/errors.ts'
import { markHandled } from '../internal/promises.ts'

/** Why data does not fit its schema. */
export interface Issue {
  /** A JSON Pointer (RFC 6901) to the value; `''` for the whole. */
  path: string
  message: string
}

/** Data that fits, as the schema has put it out; or what is wrong with it. */
export type Checked = { readonly value: unknown } | { readonly issues: readonly Issue[] }

/** Checks the data of one event, input or output. */
export interface DataCheck {
  /** Checks what a client has sent. The value may be another one, for example with defaults. */
  incoming(data: unknown): Checked | Promise<Checked>
  /**
   * The JSON of data for the client; undefined for no data.
   *
   * @throws TypeError if the data does not fit.
   */
  outgoing(data: unknown): string | undefined
}

/** The error for data of the server that does not fit. */
export function misfit(name: string, issues: readonly Issue[]): TypeError {
  const [first = { path: '', message: 'is invalid' }] = issues
  const where = first.path === '' ? '' : `${first.path} `
  return Object.assign(
    new TypeError(`The data of ${describe(name)} does not fit its schema: ${where}${first.message}`),
    {
      issues
    }
  )
}

/** Also true for promises of other libraries and of other realms: taken for a result, they would let any data pass. */
export function isPromise<T>(result: T | Promise<T>): result is Promise<T> {
  return typeof (result as Partial<Promise<T>> | undefined)?.then === 'function'
}

/** What the server sends is checked at once. @throws TypeError for a promise */
export function assertSync<T>(result: T | Promise<T>, name: string): asserts result is T {
  if (!isPromise(result)) return
  void markHandled(Promise.resolve(result))
  throw new TypeError(`The schema of ${name} is asynchronous, and can only check what clients send`)
}
