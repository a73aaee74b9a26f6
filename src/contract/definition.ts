import type { CallSchemas, Contract, DefineContract, EventSchemas, Schema, SchemaTypes } from './types.ts'

/** What a contract is made of. `defineContract` puts it on the contract; its public type shows only the types. */
export interface Definition {
  readonly name: string
  readonly version: string | undefined
  readonly description: string | undefined
  readonly fromClient: EventSchemas
  readonly fromServer: EventSchemas
  readonly calls: Readonly<Record<string, CallSchemas>>
  readonly asks: Readonly<Record<string, CallSchemas>>
}

/** An event of a contract, by name. */
export interface ContractEvent {
  readonly contract: string
  readonly event: string
}

const KEYS = ['name', 'version', 'description', 'fromClient', 'fromServer', 'calls', 'asks']
const CALL_KEYS = ['input', 'output', 'errors']
const NAME = /^[a-z][\w.-]*$/i
/** Events that a client emits itself. */
const OWN_EVENTS = ['state', 'gap', 'error']
/** Marks contracts, also for other copies of this package. */
const CONTRACT = Symbol.for('fastify-blaze-ws/1.contract')

/**
 * Defines what client and server say to each other: events, calls and their data. Both sides import the result.
 *
 * @throws TypeError that names the key if the definition is invalid.
 */
export const defineContract: DefineContract<SchemaTypes> = (definition) => define(definition)

/** Returns `defineContract` for JSON Schemas, with types from a type provider of Fastify: `contractWith<TypeBoxTypeProvider>()`. */
export function contractWith<P extends SchemaTypes>(): DefineContract<P> {
  return defineContract
}

/** True for what `defineContract` has returned, also that of another copy of this package. */
export function isContract(value: unknown): value is Contract {
  return typeof value === 'object' && value !== null && CONTRACT in value
}

/** The schemas of a contract. */
export function definitionOf(contract: Contract): Definition {
  return contract as unknown as Definition
}

function define(given: unknown): Definition {
  const source = objectAt(given, 'the definition')
  assertKeys(source, KEYS, '')
  const { name, version, description } = source
  if (typeof name !== 'string' || !NAME.test(name)) throw invalid('name', `must match ${String(NAME)}`)
  const definition = {
    name,
    version: textAt(version, 'version'),
    description: textAt(description, 'description'),
    fromClient: eventsAt(source.fromClient, 'fromClient'),
    fromServer: eventsAt(source.fromServer, 'fromServer'),
    calls: callsAt(source.calls, 'calls'),
    asks: callsAt(source.asks, 'asks')
  }
  assertNamesDiffer(definition, 'fromClient', 'calls')
  assertNamesDiffer(definition, 'fromServer', 'asks')
  const own = OWN_EVENTS.find((event) => event in definition.fromServer)
  if (own !== undefined) throw invalid(`fromServer.${own}`, 'is the name of an event of the client itself')
  Object.defineProperty(definition, CONTRACT, { value: true })
  return Object.freeze(definition)
}

function eventsAt(value: unknown, key: string): EventSchemas {
  const events = namedAt(value, key)
  for (const [name, schema] of Object.entries(events)) assertSchema(schema, `${key}.${name}`)
  return Object.freeze(events) as EventSchemas
}

function callsAt(value: unknown, key: string): Definition['calls'] {
  const calls = namedAt(value, key)
  for (const [name, call] of Object.entries(calls)) calls[name] = callAt(call, `${key}.${name}`)
  return Object.freeze(calls) as Definition['calls']
}

function callAt(value: unknown, key: string): CallSchemas {
  if (isStandardSchema(value)) throw invalid(key, 'must be { input, output, errors }, got a schema')
  const call = objectAt(value, key)
  assertKeys(call, CALL_KEYS, `${key}.`)
  const { input = null, output = null, errors = [] } = call
  assertSchema(input, `${key}.input`)
  assertSchema(output, `${key}.output`)
  if (!Array.isArray(errors) || !errors.every((code) => typeof code === 'string' && code !== ''))
    throw invalid(`${key}.errors`, 'must be an array of codes')
  return Object.freeze({ input, output, errors: Object.freeze([...(errors as string[])]) })
}

/** A copy of an object with names of events or calls. It has no prototype, so that `toString` is not a name. */
function namedAt(value: unknown = {}, key: string): Record<string, unknown> {
  const named = Object.assign(Object.create(null) as Record<string, unknown>, objectAt(value, key))
  for (const name of Object.keys(named)) {
    if (name === '') throw invalid(key, 'has an empty name')
    if (name.startsWith('rpc.')) throw invalid(`${key}.${name}`, 'begins with "rpc.", which JSON-RPC reserves')
  }
  return named
}

function assertSchema(value: unknown, key: string): asserts value is Schema {
  if (value === null || isStandardSchema(value)) return
  if (isJsonSchema(value) && !isShape(value)) return
  const hint = isShape(Object(value)) ? ': wrap its properties, as in z.object({ … })' : ''
  throw invalid(key, `must be a JSON Schema, a Standard Schema, or null for no data${hint}`)
}

/** It may be a function, as those of ArkType are. */
function isStandardSchema(value: unknown): boolean {
  const { '~standard': standard } = Object(value) as { '~standard'?: { validate?: unknown } | null }
  return typeof standard?.validate === 'function'
}

function isJsonSchema(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !('~standard' in value)
}

/** The properties of a schema without the schema around them: `{ text: z.string() }`. A JSON Schema has no such values. */
function isShape(value: unknown): boolean {
  return Object.values(value as object).some(isStandardSchema)
}

function assertNamesDiffer(definition: Definition, one: 'fromClient' | 'fromServer', other: 'calls' | 'asks'): void {
  const name = Object.keys(definition[one]).find((event) => event in definition[other])
  if (name !== undefined) throw invalid(`${other}.${name}`, `has the name of an event in ${one}`)
}

function assertKeys(value: object, allowed: string[], prefix: string): void {
  const unknown = Object.keys(value).find((key) => !allowed.includes(key))
  if (unknown !== undefined) throw invalid(prefix + unknown, `is not a key; allowed are ${allowed.join(', ')}`)
}

function objectAt(value: unknown, key: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(key, 'must be an object')
  return value as Record<string, unknown>
}

function textAt(value: unknown, key: string): string | undefined {
  if (value !== undefined && typeof value !== 'string') throw invalid(key, 'must be a string')
  return value
}

function invalid(key: string, problem: string): TypeError {
  return new TypeError(`Invalid contract: ${key} ${problem}`)
}
