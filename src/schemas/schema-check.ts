import type { Schema } from '../contract/types.ts'
import { type DataCheck, misfit } from './data-check.ts'
import { jsonSchemaCheck, type SchemaOwner } from './json-schema-check.ts'
import { standardCheck, type StandardSchema } from './standard-check.ts'

/**
 * The check of data with a schema of a contract.
 *
 * @param name for errors, such as `fromClient.say` or `calls.rename.input`.
 */
export function schemaCheck(schema: Schema, name: string, owner: SchemaOwner | undefined): DataCheck {
  if (schema === null) return noData(name)
  if ('~standard' in schema) return standardCheck(schema as StandardSchema, name)
  if (owner === undefined)
    throw new TypeError(
      `The JSON Schema of ${name} needs the compilers of a Fastify instance: add a route with this contract, or pass { app } to createPublisher`
    )
  return jsonSchemaCheck(schema, name, owner)
}

/** For `null` in place of a schema. */
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
