import type { FastifyInstance } from 'fastify'
import type { Schema } from '../contract/types.ts'
import { describe } from '../internal/errors.ts'
import { jsonCopy, jsonText } from './json-form.ts'

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

/** How the JSON Schemas of a contract are compiled: like those of this instance's routes. */
export interface SchemaOwner {
  readonly instance: Pick<FastifyInstance, 'validatorCompiler' | 'serializerCompiler'>
  /** The path of the route. */
  readonly url: string
}

/** @param name for errors, such as `say` or `rename.input`. */
export function dataCheck(schema: Schema, name: string, owner: SchemaOwner | undefined): DataCheck {
  if (schema === null) return noData(name)
  if ('~standard' in schema) return standardCheck(schema as StandardSchema, name)
  if (owner === undefined)
    throw new TypeError(
      `The JSON Schema of ${name} needs the compilers of a Fastify instance: add a route with this contract, or pass { app } to createPublisher`
    )
  return jsonSchemaCheck(schema, name, owner)
}

/** Also true for promises of other libraries and of other realms: taken for a result, they would let any data pass. */
function isPromise<T>(result: T | Promise<T>): result is Promise<T> {
  return typeof (result as Partial<Promise<T>> | undefined)?.then === 'function'
}

// ---- No data

function noData(name: string): DataCheck {
  return {
    incoming: (data) =>
      data === undefined || Object.keys(data as object).length === 0
        ? { value: undefined }
        : { issues: [{ path: '', message: 'takes no data' }] },
    outgoing(data) {
      if (data !== undefined && data !== null) throw misfit(name, [{ path: '', message: 'takes no data' }])
      return undefined
    }
  }
}

// ---- Standard Schema (https://standardschema.dev)

interface StandardIssue {
  message: string
  path?: readonly (PropertyKey | { key: PropertyKey })[] | undefined
}
type StandardResult = { value: unknown; issues?: undefined } | { issues: readonly StandardIssue[] }
interface StandardSchema {
  '~standard': { validate(data: unknown): StandardResult | Promise<StandardResult> }
}

function standardCheck(schema: StandardSchema, name: string): DataCheck {
  const check = (data: unknown) => schema['~standard'].validate(data)
  return {
    incoming(data) {
      const result = check(data)
      return isPromise(result) ? Promise.resolve(result).then(checkedOf) : checkedOf(result)
    },
    outgoing(data) {
      const result = check(copyOf(data))
      if (isPromise(result)) {
        Promise.resolve(result).catch(() => {})
        throw new TypeError(`The schema of ${name} is asynchronous, and can only check what clients send`)
      }
      if (result.issues !== undefined) throw misfit(name, result.issues.map(issueOf))
      return jsonText(result.value, name)
    }
  }
}

function checkedOf(result: StandardResult): Checked {
  return result.issues === undefined ? { value: result.value } : { issues: result.issues.map(issueOf) }
}

function issueOf({ message, path = [] }: StandardIssue): Issue {
  return { path: path.map((part) => `/${pointerPart(typeof part === 'object' ? part.key : part)}`).join(''), message }
}

function pointerPart(key: PropertyKey): string {
  return String(key).replaceAll('~', '~0').replaceAll('/', '~1')
}

/** A schema may change what it is given. Objects with a class of their own, such as a Date, are not copied. */
function copyOf(data: unknown): unknown {
  if (Array.isArray(data)) return data.map(copyOf)
  if (typeof data !== 'object' || data === null) return data
  const prototype = Object.getPrototypeOf(data) as unknown
  if (prototype !== Object.prototype && prototype !== null) return data
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, copyOf(value)]))
}

// ---- JSON Schema, with the compilers of a Fastify instance

interface AjvError {
  instancePath?: string
  message?: string
  keyword?: string
  params?: { missingProperty?: string; additionalProperty?: string }
}
type Validated = boolean | { value?: unknown; error?: Error | AjvError[] }
interface Validate {
  (data: unknown): Validated | Promise<Validated>
  errors?: AjvError[] | null
}

function jsonSchemaCheck(schema: object, name: string, owner: SchemaOwner): DataCheck {
  const { validatorCompiler, serializerCompiler } = owner.instance
  if (validatorCompiler === undefined || serializerCompiler === undefined)
    throw new TypeError(`The JSON Schema of ${name} cannot be used before the server is ready`)
  const route = { schema, method: 'GET', url: owner.url }
  const compile = <T>(run: () => unknown): T => compiled(run, `${name} of ${owner.url}`) as T
  const validate = compile<Validate>(() => validatorCompiler({ ...route, httpPart: 'body' }))
  const serialize = compile<(data: unknown) => string>(() => serializerCompiler({ ...route, httpStatus: '200' }))
  return {
    incoming(data) {
      const result = validate(data)
      return isPromise(result)
        ? Promise.resolve(result).then((validated) => checkedJson(validated, validate, data))
        : checkedJson(result, validate, data)
    },
    outgoing(data) {
      assertFits(data, name, validate)
      return serialize(data)
    }
  }
}

/** The errors of compilers do not say which schema they are about. */
function compiled(compile: () => unknown, name: string): unknown {
  try {
    return compile()
  } catch (error) {
    throw new TypeError(`The JSON Schema of ${name} cannot be compiled: ${(error as Error).message}`, { cause: error })
  }
}

function checkedJson(result: Validated, validate: Validate, data: unknown): Checked {
  if (result === true) return { value: data }
  if (result === false) return { issues: (validate.errors ?? []).map(ajvIssue) }
  const { error } = result
  if (error !== undefined && error !== null) return { issues: issuesOf(error) }
  return { value: 'value' in result ? result.value : data }
}

function issuesOf(error: Error | AjvError[]): Issue[] {
  return Array.isArray(error) ? error.map(ajvIssue) : [{ path: '', message: error.message }]
}

function ajvIssue({ instancePath = '', message = 'is invalid', params }: AjvError): Issue {
  const missing = params?.missingProperty
  return { path: missing === undefined ? instancePath : `${instancePath}/${pointerPart(missing)}`, message }
}

/** The validator sees a copy in its JSON form. What the schema does not list is not sent, so it is no reason to refuse. */
function assertFits(data: unknown, name: string, validate: Validate): void {
  const copy = jsonCopy(data, name)
  for (;;) {
    const result = validate(copy)
    if (isPromise(result)) {
      Promise.resolve(result).catch(() => {})
      throw new TypeError(`The schema of ${name} is asynchronous, and can only check what clients send`)
    }
    const checked = checkedJson(result, validate, copy)
    if (!('issues' in checked)) return
    if (!removeUnlisted(copy, validate.errors ?? [])) throw misfit(name, checked.issues)
  }
}

/** Removes the property because of which validation has failed. False if it failed for another reason. */
function removeUnlisted(copy: unknown, errors: AjvError[]): boolean {
  const error = errors.find(({ keyword }) => keyword === 'additionalProperties')
  const key = error?.params?.additionalProperty
  if (error === undefined || key === undefined || errors.some(({ keyword }) => keyword !== error.keyword)) return false
  const parts = (error.instancePath ?? '').split('/').slice(1)
  let parent = copy as Record<string, unknown> | undefined
  for (const part of parts)
    parent = parent?.[part.replaceAll('~1', '/').replaceAll('~0', '~')] as Record<string, unknown> | undefined
  return parent !== undefined && key in parent && delete parent[key]
}

function misfit(name: string, issues: readonly Issue[]): TypeError {
  const [first = { path: '', message: 'is invalid' }] = issues
  const where = first.path === '' ? '' : `${first.path} `
  return Object.assign(
    new TypeError(`The data of ${describe(name)} does not fit its schema: ${where}${first.message}`),
    {
      issues
    }
  )
}
