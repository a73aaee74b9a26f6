/*
 * What JSON-RPC 2.0 and this package's own rules say about a message of a client, written from their texts. Nothing here comes
 * from the sources. The methods are those of the contract in contract/fuzz.test.ts.
 */
type Id = string | number | null

/** An answer: a result, or the code of an error. */
export interface Answer {
  id: Id
  result?: unknown
  code?: number
  /** For errors of the contract. */
  own?: string
}

/** What must happen. */
export interface Judgement {
  /** The answer, several of them in any order, or none. */
  answers: Answer | Answer[] | undefined
  /** Events that the handler gets, in this order. */
  events: { type: string; data: unknown }[]
  /** What is told of events that were rejected, in this order. */
  rejected: { method: string; code: number }[]
  /** The connection ends with this code, and nothing else matters. */
  close?: number
}

/** The deepest result that must be answered. JSON.stringify gives up at some depth. */
const MAX_DEPTH = 1000

/** @param isBlaze the client speaks the methods that begin with `rpc.`. */
export function judge(text: string, isBlaze: boolean): Judgement {
  const judgement: Judgement = { answers: undefined, events: [], rejected: [] }
  const value = parse(text)
  if (value === undefined) judgement.answers = { id: null, code: -32700 }
  else if (!Array.isArray(value)) judgement.answers = judgeEntry(value, isBlaze, judgement)
  else if (value.length === 0 || value.length > 100) judgement.answers = { id: null, code: -32600 }
  else {
    const answers = value.map((entry) => judgeEntry(entry, isBlaze, judgement)).filter((answer) => answer !== undefined)
    judgement.answers = answers.length === 0 ? undefined : answers
  }
  return judgement
}

/** Undefined for what is no JSON, or could poison a prototype. RFC 8259 allows to ignore a byte order mark. */
function parse(text: string): unknown {
  try {
    const value = JSON.parse(text.replace(/^\uFEFF/, '')) as unknown
    return isPoisonous(value) ? undefined : value
  } catch {
    return undefined
  }
}

function isPoisonous(root: unknown): boolean {
  const waiting = [root]
  while (waiting.length > 0) {
    const value = waiting.pop()
    if (typeof value !== 'object' || value === null) continue
    if (Object.hasOwn(value, '__proto__')) return true
    const constructor = Object.hasOwn(value, 'constructor') ? (value as { constructor: unknown }).constructor : null
    if (typeof constructor === 'object' && constructor !== null && Object.hasOwn(constructor, 'prototype')) return true
    waiting.push(...Object.values(value))
  }
  return false
}

function judgeEntry(value: unknown, isBlaze: boolean, judgement: Judgement): Answer | undefined {
  if (!isObject(value)) return { id: null, code: -32600 }
  const id = isId(value.id) ? value.id : null
  const invalid = { id, code: -32600 }
  if (value.jsonrpc !== '2.0') return invalid
  if (!Object.hasOwn(value, 'method')) {
    const isResponse = Object.hasOwn(value, 'result') || Object.hasOwn(value, 'error')
    return isResponse ? undefined : invalid
  }
  const { method, params } = value
  if (typeof method !== 'string') return invalid
  if (Object.hasOwn(value, 'params') && (typeof params !== 'object' || params === null)) return invalid
  if (!Object.hasOwn(value, 'id')) {
    judgeEvent(method, params, isBlaze, judgement)
    return undefined
  }
  if (!isId(value.id)) return invalid
  if (isBlaze && method === 'rpc.hello') judgement.close = 1008
  return { id, ...judgeCall(method, params, isBlaze) }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isId(id: unknown): id is Id {
  if (typeof id === 'string') return id.length <= 256
  return id === null || (typeof id === 'number' && Number.isInteger(id) && Math.abs(id) <= 2 ** 53 - 1)
}

function judgeEvent(method: string, params: unknown, isBlaze: boolean, { events, rejected }: Judgement): void {
  // Extensions that the server does not know are none of its business.
  if (method.startsWith('rpc.')) return
  const isKnown = method === 'note' || method === 'pair' || method === 'tick'
  if (isKnown && accepts(method, params)) events.push({ type: method, data: method === 'tick' ? undefined : params })
  else if (isBlaze) rejected.push({ method, code: isKnown ? -32602 : -32601 })
}

function judgeCall(method: string, params: unknown, isBlaze: boolean): Omit<Answer, 'id'> {
  if (isBlaze && method === 'rpc.ping') return { result: {} }
  if (!['echo', 'sum', 'nothing', 'taken', 'boom', 'undeclared'].includes(method)) return { code: -32601 }
  if (!accepts(method, params)) return { code: -32602 }
  if (method === 'echo') return { result: params }
  if (method === 'sum') return { result: { sum: (params as number[]).reduce((sum, n) => sum + n, 0) } }
  if (method === 'taken') return { code: -32000, own: 'taken' }
  return method === 'nothing' ? { result: null } : { code: -32603 }
}

/** True if the data fits the schema of the event or call. */
function accepts(method: string, params: unknown): boolean {
  if (method === 'note' || method === 'echo') return isObject(params) && Object.hasOwn(params, 'text')
  if (method === 'pair') return isObject(params) && Object.keys(params).join() === 'n' && Number.isSafeInteger(params.n)
  if (method === 'sum') return Array.isArray(params) && params.every((n) => typeof n === 'number')
  // These take no data; JSON-RPC may also say so with nothing in it.
  return params === undefined || Object.keys(params as object).length === 0
}

/** True if `answer` is as it must be. */
export function isRight(expected: Answer, answer: unknown): boolean {
  if (!isObject(answer) || answer.jsonrpc !== '2.0' || !sameJson(answer.id, expected.id)) return false
  const { result, error } = answer
  if (Object.keys(answer).length !== 3) return false
  const isTooDeep = expected.code === undefined && depthOf(expected.result) > MAX_DEPTH
  if (isTooDeep && isObject(error)) return error.code === -32603
  if (expected.code === undefined) return error === undefined && (isTooDeep || sameJson(result, expected.result))
  if (result !== undefined || !isObject(error) || error.code !== expected.code) return false
  if (typeof error.message !== 'string' || error.message.includes('secret')) return false
  if (expected.own !== undefined) return isObject(error.data) && error.data.code === expected.own
  return expected.code !== -32602 || areIssues(error.data)
}

function areIssues(data: unknown): boolean {
  return (
    Array.isArray(data) &&
    data.length > 0 &&
    data.every((issue) => isObject(issue) && typeof issue.path === 'string' && typeof issue.message === 'string')
  )
}

function sameJson(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

/** Level by level, because a function that calls itself fails at the depths in question. */
function depthOf(root: unknown): number {
  let level = [root]
  let depth = 0
  for (; level.length > 0; depth++)
    level = level.flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : []))
  return depth
}
