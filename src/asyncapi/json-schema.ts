import { pointerPart } from '../internal/json-pointer.ts'

/** A JSON Schema, or another object of an AsyncAPI document. */
export type JsonObject = Record<string, unknown>

/** Keywords whose value is a schema, or a list of schemas. */
const WITH_SCHEMAS = new Set([
  'additionalItems',
  'additionalProperties',
  'allOf',
  'anyOf',
  'contains',
  'else',
  'if',
  'items',
  'not',
  'oneOf',
  'prefixItems',
  'propertyNames',
  'then',
  'unevaluatedItems',
  'unevaluatedProperties'
])
/** Keywords whose value is an object of schemas. Its keys are the user's, and may look like keywords. */
const WITH_NAMED_SCHEMAS = new Set([
  '$defs',
  'definitions',
  'dependencies',
  'dependentSchemas',
  'patternProperties',
  'properties'
])
/** An id would make another base of the `$ref`s of the document, and a dialect other than AsyncAPI's own is not allowed. */
const LEFT_OUT = new Set(['$anchor', '$id', '$schema', '~standard'])

/** Copies a schema into its plain JSON form: no symbols, functions or ids. `resolve` gives each `$ref` its new target. */
export function copySchema(schema: unknown, resolve: (ref: string) => string | undefined): unknown {
  return mapSchema(schema, (copy) => {
    if (typeof copy.$ref !== 'string') return copy
    const target = resolve(copy.$ref)
    const { $ref: _, ...rest } = copy
    return target === undefined ? rest : { ...rest, $ref: target }
  })
}

/** Calls `visit` for a schema and each schema in it, with its JSON Pointer. */
export function visitSchemas(
  schema: unknown,
  visit: (schema: JsonObject, pointer: string) => void,
  pointer = ''
): void {
  if (!isObject(schema)) return
  visit(schema, pointer)
  for (const [key, value] of Object.entries(schema)) {
    const isNamed = WITH_NAMED_SCHEMAS.has(key) || (WITH_SCHEMAS.has(key) && Array.isArray(value))
    if (isNamed)
      for (const [name, part] of Object.entries(value as object))
        visitSchemas(part, visit, `${pointer}/${key}/${refPart(name)}`)
    else if (WITH_SCHEMAS.has(key)) visitSchemas(value, visit, `${pointer}/${key}`)
  }
}

/** A key as a part of a `$ref`: a JSON Pointer in the fragment of a URI (RFC 6901, 6). */
export function refPart(key: string): string {
  return encodeURIComponent(pointerPart(key))
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function mapSchema(given: unknown, finish: (copy: JsonObject) => JsonObject): unknown {
  // Schemas of a builder, such as fluent-json-schema, give their JSON with `valueOf`.
  const schema = given?.valueOf()
  if (!isObject(schema)) return schema
  const copy: JsonObject = {}
  for (const [key, value] of Object.entries(schema)) {
    const mapped = LEFT_OUT.has(key) ? undefined : mapKeyword(key, value, finish)
    if (mapped !== undefined) copy[key] = mapped
  }
  return finish(copy)
}

function mapKeyword(key: string, value: unknown, finish: (copy: JsonObject) => JsonObject): unknown {
  const map = (part: unknown): unknown => mapSchema(part, finish)
  if (WITH_SCHEMAS.has(key)) return Array.isArray(value) ? value.map(map) : map(value)
  if (WITH_NAMED_SCHEMAS.has(key) && isObject(value))
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, map(part)]))
  // OpenAPI's discriminator is an object, AsyncAPI's is the name of the property.
  if (key === 'discriminator' && isObject(value)) return value.propertyName
  return jsonOf(value)
}

/** The JSON form of a value; undefined if it has none. */
function jsonOf(value: unknown): unknown {
  const text = JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? Number(part) : part)) as
    string | undefined
  return text === undefined ? undefined : (JSON.parse(text) as unknown)
}
