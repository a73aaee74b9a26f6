/*
 * The types of a contract. They import nothing, not even types: a browser's bundle and a declaration file of a user's library
 * need neither Fastify nor a schema library.
 */

/** Structurally a part of Fastify's `FastifyTypeProvider`: its providers fit, and Fastify is not needed. */
export interface SchemaTypes {
  readonly schema: unknown
  readonly validator: unknown
}

/** What the sender of data gives, and what its receiver gets. */
export interface Flow<I, O = I> {
  readonly in: I
  readonly out: O
}

/** Stands for a value that JSON cannot carry. */
export interface NoJson<T> {
  readonly 'has no JSON form': T
}

type JsonValue =
  string | number | boolean | null | undefined | readonly JsonValue[] | { readonly [key: string]: JsonValue }
type AnyFunction = (...args: never) => unknown

/** A value after `JSON.parse(JSON.stringify(value))`. What is JSON already stays as it is, which keeps error messages short. */
export type Json<T> = 0 extends 1 & T
  ? T
  : T extends JsonValue
    ? T
    : T extends { toJSON(...args: never): infer J }
      ? Json<J>
      : T extends bigint | symbol | AnyFunction
        ? NoJson<T>
        : T extends readonly unknown[]
          ? { [K in keyof T]: Json<T[K]> }
          : T extends object
            ? { [K in keyof T as T[K] extends symbol | AnyFunction ? never : K]: Json<T[K]> }
            : T

/** Standard Schema first, then the type provider. `null` and a missing schema: no data. */
type InOut<S, P extends SchemaTypes> = S extends null
  ? Flow<undefined>
  : S extends { readonly '~standard': { readonly types?: infer X } }
    ? NonNullable<X> extends { readonly input: infer I; readonly output: infer O }
      ? Flow<I, O>
      : Flow<unknown>
    : (P & { readonly schema: S })['validator'] extends infer J
      ? [J] extends [never]
        ? Flow<unknown>
        : Flow<J>
      : never

/** Clients have no validators: they get the JSON of what the schema put out. */
type ToClient<S, P extends SchemaTypes> = InOut<S, P> extends Flow<infer I, infer O> ? Flow<I, Json<O>> : never

/** A JSON Schema, a Standard Schema, or `null` for no data. ArkType's schemas are functions, which are objects here. */
export type Schema = object | null
/** Events by their names. */
export interface EventSchemas {
  readonly [name: string]: Schema
}
/** A call: its input, its output, and the codes of its errors. */
export interface CallSchemas {
  readonly input?: Schema
  readonly output?: Schema
  readonly errors?: readonly string[]
}
interface Calls {
  readonly [name: string]: CallSchemas
}

type Part<C, K extends keyof CallSchemas> = C extends { readonly [_ in K]: infer X } ? X : null
type Codes<C> = Part<C, 'errors'> extends readonly (infer E)[] ? E : never

/** Puts a sentence where a schema describes what JSON-RPC or JSON cannot carry; elsewhere it changes nothing. */
type Check<E, P extends SchemaTypes, By> = { [K in keyof E]: Ok<E[K], P, By> }
type CheckCalls<C, P extends SchemaTypes, By> = {
  [N in keyof C]: {
    [K in keyof C[N]]: K extends 'input'
      ? Ok<C[N][K], P, By>
      : K extends keyof CallSchemas
        ? C[N][K]
        : 'unknown key: a call has input, output and errors'
  }
}
/** A client sends what it gives, without a schema. A server sends what its schema puts out. */
type Ok<S, P extends SchemaTypes, By> =
  Fault<By extends 'server' ? ToClient<S, P>['out'] : InOut<S, P>['in'], By> extends infer F
    ? [F] extends [never]
      ? S
      : F
    : never
type Fault<I, By> = unknown extends I
  ? never
  : [I] extends [object | undefined]
    ? By extends 'server'
      ? never
      : [I] extends [JsonValue]
        ? never
        : [Json<I>] extends [I]
          ? never
          : 'a client sends JSON, and this input has no JSON form'
    : 'data is an object or an array, or absent (null)'

/** The types of a contract's events, calls and asks. */
export interface ContractTypes {
  fromClient: object
  fromServer: object
  calls: object
  asks: object
}

/**
 * What client and server say to each other. It holds plain types, not those of schemas, so that declarations of it name no
 * schema library.
 */
export interface Contract<T extends ContractTypes = ContractTypes> {
  readonly name: string
  readonly version: string | undefined
  readonly description: string | undefined
  /** Carries the types; never there. */
  readonly '~types'?: T
}
// oxlint-disable-next-line typescript/no-explicit-any -- any contract, whatever its types
export type AnyContract = Contract<any>

/** The type of `defineContract`, with a type provider for JSON Schemas. */
export interface DefineContract<P extends SchemaTypes> {
  <
    const FC extends EventSchemas = {},
    const FS extends EventSchemas = {},
    const C extends Calls = {},
    const A extends Calls = {}
  >(definition: {
    /** Names the contract in logs, documents and between nodes. Letters, digits, `_`, `.` and `-`; the first is a letter. */
    name: string
    version?: string | undefined
    description?: string | undefined
    /** Events that clients send. */
    fromClient?: FC & Check<FC, P, 'client'>
    /** Events that the server sends. */
    fromServer?: FS & Check<FS, P, 'server'>
    /** What a client asks and the server answers. */
    calls?: C & CheckCalls<C, P, 'client'>
    /** What the server asks and a client answers. */
    asks?: A & CheckCalls<A, P, 'server'>
  }): Contract<{
    fromClient: { -readonly [K in keyof FC]: InOut<FC[K], P> }
    fromServer: { -readonly [K in keyof FS]: ToClient<FS[K], P> }
    calls: {
      -readonly [K in keyof C]: {
        input: InOut<Part<C[K], 'input'>, P>
        output: ToClient<Part<C[K], 'output'>, P>
        errors: Codes<C[K]>
      }
    }
    asks: {
      -readonly [K in keyof A]: {
        input: ToClient<Part<A[K], 'input'>, P>
        output: InOut<Part<A[K], 'output'>, P>
        errors: Codes<A[K]>
      }
    }
  }>
}

// ---- What other entries take from the types of a contract

export type Of<C extends AnyContract, K extends keyof ContractTypes> = NonNullable<C['~types']>[K]
export type In<F> = 0 extends 1 & F ? F : F extends { readonly in: infer I } ? I : unknown
export type Out<F> = 0 extends 1 & F ? F : F extends { readonly out: infer O } ? O : unknown
export type Get<F, K extends string> = F extends { readonly [_ in K]: infer X } ? X : never
export type ErrorsOf<F> = F extends { readonly errors: infer E extends string } ? E : never
/** Data may be left out if `undefined` fits: without a schema, and if its type is unknown. */
export type Data<D, More extends unknown[] = []> = undefined extends D
  ? [data?: D, ...more: More]
  : [data: D, ...more: More]
export type Answer<D> = (undefined extends D ? D | void : D) extends infer R ? R | Promise<R> : never
/** The events of a client, as a union that is discriminated by `type`. */
export type EventOf<E> = { [K in keyof E & string]: { type: K; data: Out<E[K]> } }[keyof E & string]
