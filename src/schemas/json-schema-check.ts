import type { FastifyInstance } from 'fastify'
import { keysOf, pointerPart } from '../internal/json-pointer.ts'
import { assertSync, type Checked, type DataCheck, isPromise, type Issue, misfit } from './data-check.ts'
import { jsonCopy } from './json-form.ts'

/** How the JSON Schemas of a contract are compiled: like those of this instance's routes. */
export interface SchemaOwner {
  readonly instance: Pick<FastifyInstance, 'validatorCompiler' | 'serializerCompiler'>
  /** The path of the route. */
  readonly url: string
}

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

/** A check with the compilers of a Fastify instance. */
export function jsonSchemaCheck(schema: object, name: string, owner: SchemaOwner): DataCheck {
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
    assertSync(result, name)
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
  let parent = copy as Record<string, unknown> | undefined
  for (const part of keysOf(error.instancePath ?? '')) parent = parent?.[part] as Record<string, unknown> | undefined
  return parent !== undefined && key in parent && delete parent[key]
}
