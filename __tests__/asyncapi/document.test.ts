import { defineContract } from '../../src/contract.ts'
import { addressOf } from '../../src/asyncapi/address.ts'
import { closeServers } from '../support/server.ts'
import { documentOf, payload } from './parsed.ts'

afterEach(closeServers)

const Text = { type: 'object', required: ['text'], properties: { text: { type: 'string' } } } as const
const chat = defineContract({
  name: 'chat',
  version: '2.1.0',
  description: 'Rooms and names',
  fromClient: { say: Text, leave: null },
  fromServer: { said: Text },
  calls: { rename: { input: Text, output: Text, errors: ['taken'] } },
  asks: { confirm: { input: Text, output: null, errors: ['refused'] } }
})
const answers = { calls: { rename: async () => ({ text: '' }) } }

test('the info has defaults, and takes what it is given', async () => {
  expect((await documentOf(() => {})).info).toEqual({ title: 'WebSocket API', version: '1.0.0' })
  const info = { title: 'Chat', version: '3.0.0', description: 'A chat' }
  const servers = { production: { host: 'example.com', protocol: 'wss' } }
  const document = await documentOf(() => {}, { ...info, servers })
  expect(document).toMatchObject({ asyncapi: '3.0.0', info, servers, channels: {}, operations: {} })
})

test('a route is a channel with its parameters and what the contract says of itself', async () => {
  const { channels } = await documentOf((app) => void app.webSocketWithContract('/chat/:room', chat, () => {}, answers))
  expect(channels['chat-room']).toMatchObject({
    address: '/chat/{room}',
    title: 'chat',
    description: 'Rooms and names',
    parameters: { room: {} },
    tags: [{ name: 'chat', description: 'Rooms and names' }],
    bindings: { ws: { method: 'GET' } },
    'x-contract-version': '2.1.0'
  })
})

test('payloads are JSON-RPC frames', async () => {
  const document = await documentOf((app) => void app.webSocketWithContract('/chat', chat, () => {}, answers))
  const version = { type: 'string', const: '2.0' }
  expect(payload(document, 'chat', 'fromClient.say')).toEqual({
    type: 'object',
    required: ['jsonrpc', 'method', 'params'],
    properties: { jsonrpc: version, method: { type: 'string', const: 'say' }, params: Text }
  })
  expect(payload(document, 'chat', 'fromClient.leave').required).toEqual(['jsonrpc', 'method'])
  expect(payload(document, 'chat', 'fromServer.said').properties.params).toEqual(Text)
  expect(payload(document, 'chat', 'calls.rename.request').required).toEqual(['jsonrpc', 'id', 'method', 'params'])
  expect(payload(document, 'chat', 'calls.rename.result')).toMatchObject({
    required: ['jsonrpc', 'id', 'result'],
    properties: { jsonrpc: version, id: { type: ['string', 'integer', 'null'] }, result: Text }
  })
  expect(payload(document, 'chat', 'asks.confirm.request').properties.id).toMatchObject({ type: 'string' })
  expect(payload(document, 'chat', 'asks.confirm.result').properties.result).toEqual({ type: 'null' })
})

test('operations have directions, and calls and asks have replies', async () => {
  const { operations } = await documentOf((app) => void app.webSocketWithContract('/chat', chat, () => {}, answers))
  const channel = { $ref: '#/channels/chat' }
  const message = (name: string) => ({ $ref: `#/channels/chat/messages/${name}` })
  expect(Object.keys(operations)).toHaveLength(5)
  expect(operations['chat.fromClient.say']).toMatchObject({ action: 'receive', messages: [message('fromClient.say')] })
  expect(operations['chat.fromServer.said']).toMatchObject({ action: 'send', messages: [message('fromServer.said')] })
  expect(operations['chat.calls.rename']).toMatchObject({
    action: 'receive',
    messages: [message('calls.rename.request')],
    reply: { channel, messages: [message('calls.rename.result'), message('calls.rename.error')] }
  })
  expect(operations['chat.asks.confirm']).toMatchObject({
    action: 'send',
    reply: { channel, messages: [message('asks.confirm.result'), message('asks.confirm.error')] }
  })
})

test('errors are the codes of the contract, and those of JSON-RPC', async () => {
  const document = await documentOf((app) => void app.webSocketWithContract('/chat', chat, () => {}, answers))
  const [own, ...general] = payload(document, 'chat', 'calls.rename.error').properties.error.anyOf
  expect(own.properties).toMatchObject({
    code: { const: -32_000 },
    data: { properties: { code: { enum: ['taken'] } } }
  })
  const codes = general.map(({ $ref }: { $ref: string }) => {
    const schema = document.components.schemas[$ref.split('/').at(-1) as string]
    return schema.properties.code.const
  })
  expect(codes).toEqual([-32_700, -32_600, -32_601, -32_602, -32_603])
  const [refused] = payload(document, 'chat', 'asks.confirm.error').properties.error.anyOf
  expect(refused.properties.data.properties.code.enum).toEqual(['refused'])
})

test('the schemas of the route describe the upgrade request', async () => {
  const schema = {
    params: { type: 'object', properties: { room: { type: 'string', description: 'A room', enum: ['a', 'b'] } } },
    querystring: { type: 'object', properties: { limit: { type: 'integer' } } },
    headers: { type: 'object', properties: { 'x-app': { type: 'string' } } },
    tags: ['realtime'],
    summary: 'Chat'
  }
  const { channels } = await documentOf(
    (app) => void app.webSocketWithContract('/:room', chat, () => {}, { ...answers, schema })
  )
  expect(channels.room).toMatchObject({
    summary: 'Chat',
    parameters: { room: { description: 'A room', enum: ['a', 'b'] } },
    tags: [{ name: 'chat' }, { name: 'realtime' }],
    bindings: { ws: { query: schema.querystring, headers: schema.headers } }
  })
})

test('security is taken from the schema of a route and from its options', async () => {
  const options = { ...answers, security: [{ key: [] }] }
  const document = await documentOf(
    (app) => {
      app.webSocketWithContract('/a', chat, () => {}, { ...answers, schema: { security: [{ bearer: [] }] } })
      app.webSocketWithContract('/b', chat, () => {}, options)
      app.webSocketWithContract('/c', chat, () => {}, {
        ...answers,
        schema: { security: [{ login: ['say'] }] }
      })
      app.webSocketWithContract('/open', chat, () => {}, answers)
    },
    {
      securitySchemes: {
        key: { type: 'apiKey', in: 'header', name: 'x-key' },
        login: {
          type: 'oauth2',
          flows: { clientCredentials: { tokenUrl: 'https://example.com/token', scopes: { say: 'Say things' } } }
        }
      }
    }
  )
  expect(document.operations['a.fromClient.say'].security).toEqual([{ $ref: '#/components/securitySchemes/bearer' }])
  expect(document.operations['b.fromServer.said'].security).toEqual([{ $ref: '#/components/securitySchemes/key' }])
  expect(document.operations['c.calls.rename'].security).toMatchObject([{ type: 'oauth2', scopes: ['say'] }])
  expect(document.operations['open.calls.rename']).not.toHaveProperty('security')
  expect(document.components.securitySchemes).toMatchObject({
    bearer: { type: 'http', scheme: 'bearer' },
    key: { type: 'httpApiKey', in: 'header', name: 'x-key' },
    login: { flows: { clientCredentials: { availableScopes: { say: 'Say things' } } } }
  })
})

test('several routes with one contract, prefixes, and contracts with the same names', async () => {
  const other = defineContract({ name: 'other', fromClient: { say: null }, fromServer: { say: Text } })
  const { channels, operations } = await documentOf(async (app) => {
    app.webSocketWithContract('/', other, () => {})
    app.webSocketWithContract('/chat/room', chat, () => {}, answers)
    app.webSocketWithContract('/chat/:room', chat, () => {}, answers)
    await app.register(
      async (api) => {
        api.webSocketWithContract('/', other, () => {})
        api.webSocketWithContract('/other', other, () => {})
      },
      { prefix: '/api/:tenant' }
    )
  })
  const addresses = Object.entries(channels).map(([id, { address }]) => [id, address as string])
  expect(Object.fromEntries(addresses)).toEqual({
    root: '/',
    'chat-room': '/chat/room',
    'chat-room-2': '/chat/{room}',
    'api-tenant': '/api/{tenant}',
    'api-tenant-other': '/api/{tenant}/other'
  })
  expect(Object.keys(operations).filter((id) => id.startsWith('root.'))).toEqual([
    'root.fromClient.say',
    'root.fromServer.say'
  ])
})

test('a contract without events, calls and asks', async () => {
  const { channels, operations } = await documentOf(
    (app) => void app.webSocketWithContract('/none', defineContract({ name: 'none' }))
  )
  expect(channels.none).toMatchObject({ address: '/none', messages: {} })
  expect(operations).toEqual({})
})

test('names with any characters', async () => {
  const names = ['a b', 'a/b', '50%', '~', 'ü', 'x.result']
  const events = Object.fromEntries(names.map((name) => [name, null]))
  const odd = defineContract({ name: 'odd', fromServer: events, calls: { x: {}, 'x.result': {} } })
  const { channels } = await documentOf(
    (app) => void app.webSocketWithContract('/odd', odd, { calls: { x: () => {}, 'x.result': () => {} } })
  )
  expect(Object.keys(channels.odd.messages)).toHaveLength(names.length + 2 * 3)
})

test('the document belongs to the caller', async () => {
  const document = await documentOf((app) => void app.webSocketWithContract('/chat', chat, () => {}, answers))
  document.channels.chat.messages['fromClient.say'].payload.properties.params.type = 'array'
  document.components.schemas['rpc.ParseError'].type = 'array'
  const again = await documentOf((app) => void app.webSocketWithContract('/chat', chat, () => {}, answers))
  expect(payload(again, 'chat', 'fromClient.say').properties.params).toEqual(Text)
  expect(again.components.schemas['rpc.ParseError'].type).toBe('object')
})

test.each([
  ['/chat/:room', '/chat/{room}'],
  ['/:a-:b.:c', '/{a}-{b}.{c}'],
  ['/at/:hour(^\\d{2}(?:h|\\)))h:minute(^\\d+$)', '/at/{hour}h{minute}'],
  ['/:id?', '/{id}'],
  ['/files/*', '/files/{wildcard}'],
  ['/name::verb', '/name:verb'],
  ['/{a}', '/%7Ba%7D']
])('the address of %s is %s', (url, address) => expect(addressOf(url).text).toBe(address))
