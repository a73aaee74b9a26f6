import { join } from 'node:path'
import { build } from 'esbuild'
import { contractWith, defineContract } from 'fastify-blaze-ws/contract'
import * as v from 'valibot'
import { z } from 'zod'
import { definitionOf } from '../../src/contract/definition.ts'
import { ROOT } from '../docs/support/markdown.ts'

const define = defineContract as (definition: unknown) => object

/** Like those of ArkType, which is ESM only. Its data is not checked here. */
const functionSchema = Object.assign(() => {}, {
  '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) }
})
const text = { type: 'object', properties: { text: { type: 'string' } } } as const

test('a contract has what the definition has', () => {
  const confirm = { input: text, output: v.object({ seen: v.boolean() }), errors: ['no'] } as const
  const contract = defineContract({
    name: 'chat',
    version: '1.0.0',
    description: 'Rooms and names',
    fromClient: { say: z.object({ text: z.string() }), bye: null },
    fromServer: { said: text },
    calls: { rename: { input: functionSchema }, reset: {} },
    asks: { confirm }
  })
  expect(contract).toMatchObject({ name: 'chat', version: '1.0.0', description: 'Rooms and names' })
  const { fromClient, fromServer, calls, asks } = definitionOf(contract)
  expect(Object.keys(fromClient)).toEqual(['say', 'bye'])
  expect(fromClient.bye).toBeNull()
  expect(fromServer.said).toBe(text)
  expect({ ...calls }).toEqual({
    rename: { input: functionSchema, output: null, errors: [] },
    reset: { input: null, output: null, errors: [] }
  })
  expect({ ...asks }).toEqual({ confirm })
})

test('only the name is required', () => {
  const { name, version, description } = defineContract({ name: 'a' })
  expect({ name, version, description }).toEqual({ name: 'a', version: undefined, description: undefined })
  const { fromClient, fromServer, calls, asks } = definitionOf(
    define({ name: 'a', version: undefined, fromClient: undefined, calls: undefined }) as never
  )
  expect([fromClient, fromServer, calls, asks].flatMap(Object.keys)).toEqual([])
})

test('a contract is frozen, and changes of what it was made of do not reach it', () => {
  const errors = ['taken']
  const source = { name: 'a', fromClient: { say: text }, calls: { rename: { input: text, errors } } }
  const contract = defineContract(source)
  const { fromClient, calls, ...rest } = definitionOf(contract)
  const parts = [contract, fromClient, calls, calls.rename, calls.rename?.errors, rest.fromServer, rest.asks]
  for (const part of parts) expect(Object.isFrozen(part)).toBe(true)
  Object.assign(source.fromClient, { more: 5 })
  source.calls.rename.input = 5 as never
  errors.push('rpc')
  expect({ ...fromClient }).toEqual({ say: text })
  expect(calls.rename).toEqual({ input: text, output: null, errors: ['taken'] })
  // A schema belongs to its library, which may keep something on it.
  expect(Object.isFrozen(fromClient.say)).toBe(false)
  expect(Object.isFrozen(source)).toBe(false)
})

test('contractWith gives the same function with other types', () => {
  expect(definitionOf(contractWith()({ name: 'a', fromClient: { say: text } })).fromClient.say).toBe(text)
})

test('names of the prototype of objects are no names of events', () => {
  const { fromClient, calls } = definitionOf(
    define({ name: 'a', fromClient: { toString: null, constructor: null }, calls: { valueOf: {} } }) as never
  )
  expect(Object.keys(fromClient)).toEqual(['toString', 'constructor'])
  expect('valueOf' in fromClient).toBe(false)
  expect(Object.keys(calls)).toEqual(['valueOf'])
  const own = JSON.parse('{ "__proto__": {} }') as object
  expect(Object.keys(definitionOf(define({ name: 'a', calls: own }) as never).calls)).toEqual(['__proto__'])
})

test.each(['a', 'Chat', 'chat.v2', 'chat-rooms_2'])('the name %j is allowed', (name) => {
  expect(defineContract({ name }).name).toBe(name)
})

test.each([['', undefined, null, 5, '2a', '-a', '.a', 'a b', 'a/b', 'ä', 'a\n', 'rooms:a']].flat())(
  'the name %j is not',
  (name) => {
    expect(() => define({ name })).toThrow(new TypeError('Invalid contract: name must match /^[a-z][\\w.-]*$/i'))
  }
)

test('one name may be used for a call and for an ask, or by both sides', () => {
  define({ name: 'a', fromClient: { typing: null }, fromServer: { typing: null } })
  define({ name: 'a', calls: { ping: {} }, asks: { ping: {} } })
  define({ name: 'a', fromClient: { state: null, gap: null, error: null }, calls: { rpc: {} }, asks: { error: {} } })
})

const SCHEMA = 'must be a JSON Schema, a Standard Schema, or null for no data'
const RESERVED = 'begins with "rpc.", which JSON-RPC reserves'
const OWN = 'is the name of an event of the client itself'

test.each<[problem: string, definition: object]>([
  [
    'fromClent is not a key; allowed are name, version, description, fromClient, fromServer, calls, asks',
    { fromClent: {} }
  ],
  ['calls.rename.inptu is not a key; allowed are input, output, errors', { calls: { rename: { inptu: text } } }],
  ['asks.confirm.error is not a key; allowed are input, output, errors', { asks: { confirm: { error: [] } } }],
  ['version must be a string', { version: 1 }],
  ['description must be a string', { description: null }],
  ['fromClient must be an object', { fromClient: null }],
  ['fromServer must be an object', { fromServer: [] }],
  ['calls must be an object', { calls: 'rename' }],
  ['calls.rename must be an object', { calls: { rename: null } }],
  ['asks.confirm must be { input, output, errors }, got a schema', { asks: { confirm: functionSchema } }],
  [
    `fromServer.said ${SCHEMA}: wrap its properties, as in z.object({ … })`,
    { fromServer: { said: { text: z.string() } } }
  ],
  ['calls.say has the name of an event in fromClient', { fromClient: { say: null }, calls: { say: {} } }],
  ['asks.left has the name of an event in fromServer', { fromServer: { left: null }, asks: { left: {} } }],
  [`fromClient.rpc.say ${RESERVED}`, { fromClient: { 'rpc.say': null } }],
  [`fromServer.rpc.said ${RESERVED}`, { fromServer: { 'rpc.said': null } }],
  [`calls.rpc.ping ${RESERVED}`, { calls: { 'rpc.ping': {} } }],
  [`asks.rpc. ${RESERVED}`, { asks: { 'rpc.': {} } }],
  [`fromServer.state ${OWN}`, { fromServer: { state: null } }],
  [`fromServer.gap ${OWN}`, { fromServer: { said: null, gap: text } }],
  [`fromServer.error ${OWN}`, { fromServer: { error: text } }],
  ['fromClient has an empty name', { fromClient: { '': null } }],
  ['calls.rename.errors must be an array of codes', { calls: { rename: { errors: 'taken' } } }],
  ['calls.rename.errors must be an array of codes', { calls: { rename: { errors: [1] } } }],
  ['asks.confirm.errors must be an array of codes', { asks: { confirm: { errors: [''] } } }],
  ...[undefined, 5, 'text', true, [], () => {}, { '~standard': {} }, { '~standard': null }].map(
    (value): [string, object] => [`fromClient.say ${SCHEMA}`, { fromClient: { say: value } }]
  ),
  [`fromServer.said ${SCHEMA}`, { fromServer: { said: 'said' } }],
  [`calls.rename.input ${SCHEMA}`, { calls: { rename: { input: 'name' } } }],
  [`asks.confirm.output ${SCHEMA}`, { asks: { confirm: { output: () => true } } }]
])('%s', (problem, definition) => {
  expect(() => define({ name: 'a', ...definition })).toThrow(new TypeError(`Invalid contract: ${problem}`))
})

test.each([[undefined], [null], ['chat'], [[]], [() => {}]])('%p is no definition', (value) => {
  expect(() => define(value)).toThrow(new TypeError('Invalid contract: the definition must be an object'))
})

test('the entry imports nothing but its own files', async () => {
  const { metafile } = await build({
    entryPoints: [join(ROOT, 'src/contract.ts')],
    absWorkingDir: ROOT,
    bundle: true,
    platform: 'neutral',
    packages: 'external',
    write: false,
    metafile: true
  })
  const files = Object.keys(metafile.inputs)
  expect(files).toContain('src/contract.ts')
  for (const file of files) expect(file).toMatch(/^src\/contract(\.ts$|\/)/)
  expect(Object.values(metafile.outputs).flatMap(({ imports }) => imports)).toEqual([])
})
