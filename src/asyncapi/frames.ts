import { RpcErrorCode } from '../rpc/json-rpc.ts'
import type { JsonObject } from './json-schema.ts'

/*
 * The JSON Schemas of JSON-RPC frames. The schemas of data are given, and undefined for no data.
 */

const VERSION = { type: 'string', const: '2.0' }

/** An event. */
export function notificationFrame(method: string, params: JsonObject | undefined): JsonObject {
  return frame({ method: { type: 'string', const: method }, ...(params && { params }) })
}

/** A call or an ask. */
export function requestFrame(method: string, id: JsonObject, params: JsonObject | undefined): JsonObject {
  return frame({ id, method: { type: 'string', const: method }, ...(params && { params }) })
}

export function resultFrame(id: JsonObject, result: JsonObject | undefined): JsonObject {
  return frame({ id, result: result ?? { type: 'null' } })
}

/** @param error the schema of the error. */
export function errorFrame(id: JsonObject, error: JsonObject): JsonObject {
  return frame({ id, error })
}

/** Ids that clients may choose. */
export const CALL_ID: JsonObject = { type: ['string', 'integer', 'null'], maxLength: 256 }
/** Ids that the server chooses. */
export const ASK_ID: JsonObject = { type: 'string', pattern: '^s[0-9]+$' }

/** An error that a contract declares. */
export function contractError(codes: readonly string[]): JsonObject {
  return {
    type: 'object',
    required: ['code', 'message', 'data'],
    properties: {
      code: { type: 'integer', const: RpcErrorCode.Contract },
      message: { type: 'string' },
      data: { type: 'object', required: ['code'], properties: { code: { type: 'string', enum: [...codes] } } }
    }
  }
}

/** The errors of JSON-RPC itself, by the keys of their components. */
export const GENERAL_ERRORS: Readonly<Record<string, JsonObject>> = {
  'rpc.ParseError': generalError(RpcErrorCode.ParseError, 'The frame is not JSON.'),
  'rpc.InvalidRequest': generalError(RpcErrorCode.InvalidRequest, 'The frame is no request, or its id is not allowed.'),
  'rpc.MethodNotFound': generalError(RpcErrorCode.MethodNotFound, 'There is no such method.'),
  'rpc.InvalidParams': generalError(RpcErrorCode.InvalidParams, 'The data does not fit its schema.', {
    type: 'array',
    items: {
      type: 'object',
      required: ['path', 'message'],
      properties: {
        path: { type: 'string', description: "A JSON Pointer to the value; '' for the whole." },
        message: { type: 'string' }
      }
    }
  }),
  'rpc.InternalError': generalError(RpcErrorCode.InternalError, 'The call failed. The error is in the log.')
}

function generalError(code: number, description: string, data?: JsonObject): JsonObject {
  return {
    description,
    type: 'object',
    required: ['code', 'message', ...(data ? ['data'] : [])],
    properties: { code: { type: 'integer', const: code }, message: { type: 'string' }, ...(data && { data }) }
  }
}

function frame(properties: Record<string, JsonObject>): JsonObject {
  return {
    type: 'object',
    required: ['jsonrpc', ...Object.keys(properties)],
    properties: { jsonrpc: VERSION, ...properties }
  }
}
