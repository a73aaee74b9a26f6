import type { Definition } from '../contract/definition.ts'
import type { CallSchemas, Schema } from '../contract/types.ts'
import type { DataCheck } from './data-check.ts'
import type { SchemaOwner } from './json-schema-check.ts'
import { LazyChecks } from './lazy-checks.ts'
import { schemaCheck } from './schema-check.ts'

/** The checks of a call or an ask. */
export interface CallCheck {
  readonly input: DataCheck
  readonly output: DataCheck
  readonly errors: readonly string[]
}

type EventChecks = LazyChecks<Schema, DataCheck>
type CallChecks = LazyChecks<CallSchemas, CallCheck>

/** A contract with the checks of its data. A check is made when it is first needed, or by `compileAll`. */
export class CompiledContract {
  readonly definition: Definition
  readonly #fromClient: EventChecks
  readonly #fromServer: EventChecks
  readonly #calls: CallChecks
  readonly #asks: CallChecks

  constructor(definition: Definition, owner: SchemaOwner | undefined) {
    this.definition = definition
    this.#fromClient = eventChecks(definition, 'fromClient', owner)
    this.#fromServer = eventChecks(definition, 'fromServer', owner)
    this.#calls = callChecks(definition, 'calls', owner)
    this.#asks = callChecks(definition, 'asks', owner)
  }

  /** An event that clients send; undefined if the contract has none of this name. */
  fromClient(event: string): DataCheck | undefined {
    return this.#fromClient.get(event)
  }

  /** An event that the server sends. */
  fromServer(event: string): DataCheck | undefined {
    return this.#fromServer.get(event)
  }

  call(name: string): CallCheck | undefined {
    return this.#calls.get(name)
  }

  ask(name: string): CallCheck | undefined {
    return this.#asks.get(name)
  }

  /** Makes all checks, so that a schema that cannot be compiled is noticed when the server starts. */
  compileAll(): void {
    for (const checks of [this.#fromClient, this.#fromServer, this.#calls, this.#asks]) checks.makeAll()
  }
}

function eventChecks(
  definition: Definition,
  kind: 'fromClient' | 'fromServer',
  owner: SchemaOwner | undefined
): EventChecks {
  return new LazyChecks(definition[kind], (schema, name) => schemaCheck(schema, `${kind}.${name}`, owner))
}

function callChecks(definition: Definition, kind: 'calls' | 'asks', owner: SchemaOwner | undefined): CallChecks {
  return new LazyChecks(definition[kind], ({ input = null, output = null, errors = [] }, name) => ({
    input: schemaCheck(input, `${kind}.${name}.input`, owner),
    output: schemaCheck(output, `${kind}.${name}.output`, owner),
    errors
  }))
}
