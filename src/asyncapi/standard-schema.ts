import { isObject, type JsonObject } from './json-schema.ts'

/** Which side of a schema is on the wire: what a client sends goes into it, what the server sends has come out of it. */
export type Side = 'input' | 'output'

/** Makes the JSON Schema of a Standard Schema. */
export type ToJsonSchema = (schema: object, side: Side) => object | undefined

/** Zod, ArkType and others make their JSON Schema themselves. AsyncAPI's own dialect is draft 07. */
interface WithJsonSchema {
  '~standard': { jsonSchema?: Record<Side, (options: { target: 'draft-07' }) => object> }
}

export function isStandardSchema(schema: object): boolean {
  return '~standard' in schema
}

/** The JSON Schema of a Standard Schema; `{}` if it has none. */
export function jsonSchemaOf(schema: object, side: Side, toJsonSchema: ToJsonSchema | undefined): JsonObject {
  const found = ownJsonSchema(schema as WithJsonSchema, side) ?? toJsonSchema?.(schema, side)
  return isObject(found) ? found : {}
}

function ownJsonSchema(schema: WithJsonSchema, side: Side): object | undefined {
  try {
    return schema['~standard'].jsonSchema?.[side]({ target: 'draft-07' })
  } catch {
    // What JSON cannot describe, such as the output of a transformation, throws.
    return undefined
  }
}
