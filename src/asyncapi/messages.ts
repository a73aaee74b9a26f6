import type { Definition } from '../contract/definition.ts'
import type { CallSchemas, Schema } from '../contract/types.ts'
import {
  ASK_ID,
  CALL_ID,
  contractError,
  errorFrame,
  GENERAL_ERRORS,
  notificationFrame,
  requestFrame,
  resultFrame
} from './frames.ts'
import type { JsonObject } from './json-schema.ts'
import type { SchemaBundle, SharedSchemas } from './schema-bundle.ts'
import type { Side } from './standard-schema.ts'

/** What one event, call or ask of a contract is in a document. */
export interface Exchange {
  /** Such as `calls.rename`. */
  readonly key: string
  readonly name: string
  /** What the server does first. */
  readonly action: 'receive' | 'send'
  readonly request: JsonObject
  /** The answers: a result, and an error. Undefined for events. */
  readonly replies: Readonly<Record<'result' | 'error', JsonObject>> | undefined
}

/** An error of a client: it may be one that the contract declares, or any other. */
const ANY_ERROR: JsonObject = {
  type: 'object',
  required: ['code', 'message'],
  properties: { code: { type: 'integer' }, message: { type: 'string' } }
}

/** In which direction the requests of each kind go, their ids, the sides of their schemas, and errors that no contract declares. */
const REQUESTS = {
  calls: {
    action: 'receive',
    id: CALL_ID,
    inputSide: 'input',
    outputSide: 'output',
    otherErrors: Object.keys(GENERAL_ERRORS).map((error) => ({ $ref: `#/components/schemas/${error}` }))
  },
  asks: { action: 'send', id: ASK_ID, inputSide: 'output', outputSide: 'input', otherErrors: [ANY_ERROR] }
} as const

/** Describes the frames of a contract. */
export class ContractMessages {
  readonly #definition: Definition
  readonly #bundle: SchemaBundle
  readonly #shared: SharedSchemas

  constructor(definition: Definition, bundle: SchemaBundle, shared: SharedSchemas) {
    this.#definition = definition
    this.#bundle = bundle
    this.#shared = shared
  }

  exchanges(): Exchange[] {
    const { fromClient, fromServer, calls, asks } = this.#definition
    return [
      ...Object.entries(fromClient).map(([name, schema]) => this.#event('fromClient', name, schema)),
      ...Object.entries(fromServer).map(([name, schema]) => this.#event('fromServer', name, schema)),
      ...Object.entries(calls).map(([name, call]) => this.#request('calls', name, call)),
      ...Object.entries(asks).map(([name, ask]) => this.#request('asks', name, ask))
    ]
  }

  #event(kind: 'fromClient' | 'fromServer', name: string, schema: Schema): Exchange {
    const key = `${kind}.${name}`
    const isReceived = kind === 'fromClient'
    const data = this.#data(schema, isReceived ? 'input' : 'output', key)
    const request = messageOf(name, schema, notificationFrame(name, data))
    return { key, name, action: isReceived ? 'receive' : 'send', request, replies: undefined }
  }

  #request(kind: 'calls' | 'asks', name: string, { input = null, output = null, errors = [] }: CallSchemas): Exchange {
    const key = `${kind}.${name}`
    const { action, id, inputSide, outputSide, otherErrors } = REQUESTS[kind]
    const params = this.#data(input, inputSide, `${key}.input`)
    const result = this.#data(output, outputSide, `${key}.output`)
    const error = anyOf([...(errors.length > 0 ? [contractError(errors)] : []), ...otherErrors])
    return {
      key,
      name,
      action,
      request: answered(name, input, requestFrame(name, id, params)),
      replies: {
        result: answered(`${name} result`, output, resultFrame(id, result)),
        error: answered(`${name} error`, null, errorFrame(id, error))
      }
    }
  }

  #data(schema: Schema, side: Side, key: string): JsonObject | undefined {
    return schema === null ? undefined : this.#bundle.add(schema, side, `${this.#definition.name}.${key}`, this.#shared)
  }
}

function anyOf(schemas: JsonObject[]): JsonObject {
  const [first, second] = schemas
  return first !== undefined && second === undefined ? first : { anyOf: schemas }
}

/** A message that belongs to another one with the same id. */
function answered(name: string, schema: Schema, payload: JsonObject): JsonObject {
  return { ...messageOf(name, schema, payload), correlationId: { location: '$message.payload#/id' } }
}

function messageOf(name: string, schema: Schema, payload: JsonObject): JsonObject {
  const { description } = (schema ?? {}) as { description?: unknown }
  return { name, ...(typeof description === 'string' && { description }), payload }
}
