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
      ...Object.entries(calls).map(([name, call]) => this.#call(name, call)),
      ...Object.entries(asks).map(([name, ask]) => this.#ask(name, ask))
    ]
  }

  #event(kind: 'fromClient' | 'fromServer', name: string, schema: Schema): Exchange {
    const key = `${kind}.${name}`
    const isReceived = kind === 'fromClient'
    const data = this.#data(schema, isReceived ? 'input' : 'output', key)
    const request = messageOf(name, schema, notificationFrame(name, data))
    return { key, name, action: isReceived ? 'receive' : 'send', request, replies: undefined }
  }

  #call(name: string, { input = null, output = null, errors = [] }: CallSchemas): Exchange {
    const key = `calls.${name}`
    const params = this.#data(input, 'input', `${key}.input`)
    const result = this.#data(output, 'output', `${key}.output`)
    const general = Object.keys(GENERAL_ERRORS).map((error) => ({ $ref: `#/components/schemas/${error}` }))
    const error = { anyOf: [...(errors.length > 0 ? [contractError(errors)] : []), ...general] }
    return {
      key,
      name,
      action: 'receive',
      request: answered(name, input, requestFrame(name, CALL_ID, params)),
      replies: {
        result: answered(`${name} result`, output, resultFrame(CALL_ID, result)),
        error: answered(`${name} error`, null, errorFrame(CALL_ID, error))
      }
    }
  }

  #ask(name: string, { input = null, output = null, errors = [] }: CallSchemas): Exchange {
    const key = `asks.${name}`
    const params = this.#data(input, 'output', `${key}.input`)
    const result = this.#data(output, 'input', `${key}.output`)
    const error = errors.length > 0 ? { anyOf: [contractError(errors), ANY_ERROR] } : ANY_ERROR
    return {
      key,
      name,
      action: 'send',
      request: answered(name, input, requestFrame(name, ASK_ID, params)),
      replies: {
        result: answered(`${name} result`, output, resultFrame(ASK_ID, result)),
        error: answered(`${name} error`, null, errorFrame(ASK_ID, error))
      }
    }
  }

  #data(schema: Schema, side: Side, key: string): JsonObject | undefined {
    return schema === null ? undefined : this.#bundle.add(schema, side, `${this.#definition.name}.${key}`, this.#shared)
  }
}

/** A message that belongs to another one with the same id. */
function answered(name: string, schema: Schema, payload: JsonObject): JsonObject {
  return { ...messageOf(name, schema, payload), correlationId: { location: '$message.payload#/id' } }
}

function messageOf(name: string, schema: Schema, payload: JsonObject): JsonObject {
  const { description } = (schema ?? {}) as { description?: unknown }
  return { name, ...(typeof description === 'string' && { description }), payload }
}
