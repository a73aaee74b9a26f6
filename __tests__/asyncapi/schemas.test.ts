import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import * as v from 'valibot'
import { z } from 'zod'
import { contractWith, defineContract } from '../../src/contract.ts'
import { requireEsm } from '../support/esm.ts'
import { closeServers } from '../support/server.ts'
import { documentOf, payload } from './parsed.ts'

afterEach(closeServers)

const { type } = requireEsm<typeof import('arktype')>('arktype')
const typebox = requireEsm<typeof import('typebox')>('typebox')

const define = contractWith()
type Events = Record<string, object>

/** Adds a route whose server sends these events. */
function withEvents(events: Events): (app: FastifyInstance) => void {
  const contract = define({ name: 'test', fromServer: events })
  return (app) => void app.webSocketWithContract('/test', contract)
}

test('Zod and ArkType: what a client sends is the input, what the server sends is the output', async () => {
  const Zod = z.object({ n: z.string().transform(Number).pipe(z.number()) })
  const Ark = type({ name: 'string', 'age?': 'number' })
  const contract = defineContract({ name: 'mixed', fromClient: { zod: Zod, ark: Ark }, fromServer: { zod: Zod } })
  const document = await documentOf((app) => void app.webSocketWithContract('/mixed', contract, () => {}))
  const params = (name: string) => payload(document, 'mixed', name).properties.params
  expect(params('fromClient.zod')).toMatchObject({ properties: { n: { type: 'string' } } })
  expect(params('fromServer.zod')).toMatchObject({ properties: { n: { type: 'number' } } })
  expect(params('fromClient.ark')).toEqual({
    type: 'object',
    required: ['name'],
    properties: { name: { type: 'string' }, age: { type: 'number' } }
  })
})

test('a Standard Schema without a JSON Schema is {}, or what toJSONSchema returns', async () => {
  const Valibot = v.object({ a: v.string() })
  const Dated = z.object({ at: z.date() })
  const events = withEvents({ valibot: Valibot, dated: Dated })
  const plain = await documentOf(events)
  expect(payload(plain, 'test', 'fromServer.valibot').properties.params).toEqual({})
  expect(payload(plain, 'test', 'fromServer.dated').properties.params).toEqual({})
  const asked: unknown[] = []
  const made = await documentOf(events, {
    toJSONSchema(schema, side) {
      asked.push([schema, side])
      return schema === Valibot ? { type: 'object', title: 'made' } : undefined
    }
  })
  expect(asked).toEqual([
    [Valibot, 'output'],
    [Dated, 'output']
  ])
  expect(payload(made, 'test', 'fromServer.valibot').properties.params).toEqual({ type: 'object', title: 'made' })
  expect(payload(made, 'test', 'fromServer.dated').properties.params).toEqual({})
})

test('a schema of Zod that leads to itself', async () => {
  const Tree = z.object({
    get children() {
      return z.array(Tree)
    }
  })
  const document = await documentOf(withEvents({ grown: Tree }))
  const params = payload(document, 'test', 'fromServer.grown').properties.params
  expect(params).toEqual({ $ref: '#/components/schemas/test.fromServer.grown' })
  expect(document.components.schemas['test.fromServer.grown'].properties.children.items).toEqual(params)
})

test.each([
  ['@sinclair/typebox', Type as unknown as typeof typebox.Type],
  ['typebox', typebox.Type]
])('schemas of %s lose their symbols', async (_, T) => {
  const Said = T.Object(
    { text: T.String(), kind: T.Optional(T.Union([T.Literal('a'), T.Literal('b')])) },
    { $id: 'Said' }
  )
  const document = await documentOf(withEvents({ said: Said }))
  expect(payload(document, 'test', 'fromServer.said').properties.params).toEqual({
    type: 'object',
    required: ['text'],
    properties: {
      text: { type: 'string' },
      kind: {
        anyOf: [
          { type: 'string', const: 'a' },
          { type: 'string', const: 'b' }
        ]
      }
    }
  })
})

test('a recursive schema of TypeBox refers to itself by its $id', async () => {
  const Node = Type.Recursive((This) => Type.Object({ children: Type.Array(This) }), { $id: 'Node' })
  const { components } = await documentOf((app) => {
    // Fastify's own compilers know no schema by its $id unless it is shared.
    app.setValidatorCompiler(() => () => true).setSerializerCompiler(() => JSON.stringify)
    withEvents({ node: Node })(app)
  })
  const ref = { $ref: '#/components/schemas/test.fromServer.node' }
  expect(components.schemas['test.fromServer.node'].properties.children.items).toEqual(ref)
})

test('shared schemas become components, with all forms of $ref', async () => {
  const address = {
    $id: 'https://example.com/address.json',
    type: 'object',
    properties: { city: { $ref: '#/definitions/name' }, street: { $ref: '#street' } },
    definitions: { name: { type: 'string' }, street: { $id: '#street', type: 'string' } }
  }
  const document = await documentOf((app) => {
    app.addSchema(address)
    app.addSchema({
      $id: 'user',
      type: 'object',
      properties: { friend: { $ref: 'user#' }, home: { $ref: address.$id } }
    })
    const properties = {
      user: { $ref: 'user#' },
      city: { $ref: `${address.$id}#/definitions/name` },
      own: { $ref: '#/definitions/own' }
    }
    withEvents({ joined: { type: 'object', properties, definitions: { own: { type: 'number' } } } })(app)
  })
  const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` })
  const { schemas } = document.components
  expect(payload(document, 'test', 'fromServer.joined').properties.params).toEqual(ref('test.fromServer.joined'))
  expect(schemas['test.fromServer.joined'].properties).toEqual({
    user: ref('user'),
    city: ref('example.com_address.json/definitions/name'),
    own: ref('test.fromServer.joined/definitions/own')
  })
  expect(schemas.user.properties).toEqual({ friend: ref('user'), home: ref('example.com_address.json') })
  expect(schemas['example.com_address.json'].properties).toEqual({
    city: ref('example.com_address.json/definitions/name'),
    street: ref('example.com_address.json/definitions/street')
  })
})

test('two contexts may share different schemas under one id', async () => {
  const document = await documentOf(async (app) => {
    for (const kind of ['string', 'number'])
      await app.register(async (scope) => {
        scope.addSchema({ $id: 'value', type: kind })
        const contract = define({
          name: kind,
          fromServer: { set: { type: 'object', properties: { v: { $ref: 'value#' } } } }
        })
        scope.webSocketWithContract(`/${kind}`, contract)
      })
  })
  expect(document.components.schemas).toMatchObject({ value: { type: 'string' }, 'value-2': { type: 'number' } })
})

test('properties may have the names of keywords', async () => {
  const properties = { $id: { type: 'string' }, properties: { type: 'object' } }
  const params = {
    type: 'object',
    properties: { ...properties, a: { type: 'object', default: { $id: 'x' } } }
  }
  const document = await documentOf(withEvents({ odd: params }))
  expect(payload(document, 'test', 'fromServer.odd').properties.params).toEqual(params)
})

test.each<[string, object, unknown]>([
  ['shared', { $ref: 'query#' }, { $ref: '#/components/schemas/query' }],
  ['a Standard Schema', z.object({ a: z.string() }), { type: 'object', properties: { a: { type: 'string' } } }],
  ['a Standard Schema without a JSON Schema', v.object({ a: v.string() }), {}]
])('the query of a route may be %s', async (_, querystring, expected) => {
  const document = await documentOf((app) => {
    app.addSchema({ $id: 'query', type: 'object', properties: { a: { type: 'string' } } })
    app.setValidatorCompiler(() => () => true)
    app.webSocketWithContract('/test', define({ name: 'test' }), { schema: { querystring } })
  })
  expect(document.channels.test.bindings.ws.query).toMatchObject(expected as object)
})
