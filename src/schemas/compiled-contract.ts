import type { Definition } from '../contract/definition.ts'
import { type DataCheck, dataCheck, type SchemaOwner } from './data-check.ts'

/** The checks of a call or an ask. */
export interface CallCheck {
  readonly input: DataCheck
  readonly output: DataCheck
  readonly errors: readonly string[]
}

type Names = Readonly<Record<string, unknown>>

/** A contract with the checks of its data. A check is made when it is first needed, or by `compileAll`. */
export class CompiledContract {
  readonly definition: Definition
  readonly #owner: SchemaOwner | undefined
  readonly #checks = new Map<string, DataCheck>()
  readonly #calls = new Map<string, CallCheck>()

  constructor(definition: Definition, owner: SchemaOwner | undefined) {
    this.definition = definition
    this.#owner = owner
  }

  /** An event that clients send; undefined if the contract has none of this name. */
  fromClient(event: string): DataCheck | undefined {
    return this.#event('fromClient', event)
  }

  /** An event that the server sends. */
  fromServer(event: string): DataCheck | undefined {
    return this.#event('fromServer', event)
  }

  call(name: string): CallCheck | undefined {
    return this.#call('calls', name)
  }

  ask(name: string): CallCheck | undefined {
    return this.#call('asks', name)
  }

  /** Makes all checks, so that a schema that cannot be compiled is noticed when the server starts. */
  compileAll(): void {
    for (const kind of ['fromClient', 'fromServer'] as const)
      for (const name of Object.keys(this.definition[kind])) this.#event(kind, name)
    for (const kind of ['calls', 'asks'] as const)
      for (const name of Object.keys(this.definition[kind])) this.#call(kind, name)
  }

  #event(kind: 'fromClient' | 'fromServer', name: string): DataCheck | undefined {
    const schemas = this.definition[kind]
    return has(schemas, name) ? this.#check(`${kind}.${name}`, schemas[name] ?? null) : undefined
  }

  #call(kind: 'calls' | 'asks', name: string): CallCheck | undefined {
    const key = `${kind}.${name}`
    const existing = this.#calls.get(key)
    if (existing !== undefined) return existing
    const schemas = this.definition[kind]
    if (!has(schemas, name)) return undefined
    const { input = null, output = null, errors = [] } = schemas[name] ?? {}
    const call = { input: this.#check(`${key}.input`, input), output: this.#check(`${key}.output`, output), errors }
    this.#calls.set(key, call)
    return call
  }

  #check(key: string, schema: object | null): DataCheck {
    let check = this.#checks.get(key)
    if (check === undefined) this.#checks.set(key, (check = dataCheck(schema, key, this.#owner)))
    return check
  }
}

function has(names: Names, name: string): boolean {
  return Object.hasOwn(names, name)
}
