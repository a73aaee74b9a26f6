import type { JsonSchemaToTsProvider } from '@fastify/type-provider-json-schema-to-ts'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { type as ArkType } from 'arktype'
import { expectTypeOf } from 'expect-type'
import Fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyRequest } from 'fastify'
import {
  type AnyConnection,
  type AskOptions,
  type CallContext,
  type CallHandler,
  type ContractConnection,
  type RoomTarget,
  WebSocketHub
} from 'fastify-blaze-ws'
import { type Contract, ContractError, contractWith, defineContract, isContractError } from 'fastify-blaze-ws/contract'
import type { Type as TypeBox } from 'typebox'
import * as v from 'valibot'
import { z } from 'zod'

// tsc checks these assertions; Jest only checks that nothing throws. Code that must not compile is marked as an
// expected error, in functions that are never called.

// TypeBox and ArkType are ESM only, and Jest cannot load that: these tests need only their types.
const Type = {} as typeof TypeBox
const type = {} as typeof ArkType

const chat = defineContract({
  name: 'chat',
  fromClient: { say: z.object({ text: z.string(), tone: z.string().default('calm') }), bye: null },
  fromServer: { said: z.object({ from: z.string(), at: z.date() }), left: null },
  calls: {
    rename: { input: z.object({ name: z.string() }), output: z.object({ name: z.string() }), errors: ['taken', 'bad'] },
    count: { output: z.number() },
    reset: {}
  },
  asks: { confirm: { input: z.object({ at: z.date() }), output: z.object({ seen: z.boolean() }), errors: ['no'] } }
})
type Chat = typeof chat
type Ws = ContractConnection<Chat>
interface User {
  name: string
}

declare const rename: CallHandler<{ name: string }, { name: string }, 'taken' | 'bad', unknown>
declare const calls: { rename: typeof rename; count: () => number; reset: () => void }
const at = new Date()

test('a contract holds the types of its data, and none of schemas', () => {
  type Types = NonNullable<Chat['~types']>
  type Both<T> = { readonly in: T; readonly out: T }
  expectTypeOf<Types['fromClient']>().branded.toEqualTypeOf<{
    say: { readonly in: { text: string; tone?: string | undefined }; readonly out: { text: string; tone: string } }
    bye: Both<undefined>
  }>()
  expectTypeOf<Types['fromServer']>().branded.toEqualTypeOf<{
    said: { readonly in: { from: string; at: Date }; readonly out: { from: string; at: string } }
    left: Both<undefined>
  }>()
  expectTypeOf<Types['calls']['rename']['errors']>().toEqualTypeOf<'taken' | 'bad'>()
  expectTypeOf<Types['calls']['reset']['errors']>().toEqualTypeOf<never>()
  expectTypeOf<Chat>().toExtend<Contract>()
  expectTypeOf<Chat['version']>().toEqualTypeOf<string | undefined>()
})

test('events of clients', () => {
  type Say = { type: 'say'; data: { text: string; tone: string } }
  type Bye = { type: 'bye'; data: undefined }
  const never = async (ws: Ws): Promise<void> => {
    expectTypeOf(await ws.receive()).branded.toEqualTypeOf<Say | Bye>()
    expectTypeOf(await ws.receive({ signal: ws.signal })).branded.toEqualTypeOf<Say | Bye>()
    for await (const event of ws) {
      if (event.type === 'say') expectTypeOf(event.data.tone).toEqualTypeOf<string>()
      else expectTypeOf(event).branded.toEqualTypeOf<Bye>()
      // @ts-expect-error no event has this name
      if (event.type === 'sya') return
      // @ts-expect-error only one of the events has data
      void event.data.text
    }
  }
  expect(never).toBeDefined()
})

test('events of the server', () => {
  const never = async (ws: Ws, hub: WebSocketHub, room: RoomTarget): Promise<void> => {
    expectTypeOf(ws.send('said', { from: 'ann', at })).toEqualTypeOf<Promise<void>>()
    expectTypeOf(ws.sendAsync('said', { from: 'ann', at })).toEqualTypeOf<boolean>()
    expectTypeOf(hub.broadcast(chat, 'said', { from: 'ann', at })).toEqualTypeOf<number>()
    expectTypeOf(room.broadcast(chat, 'said', { from: 'ann', at }, { except: ws })).toEqualTypeOf<number>()
    hub.broadcast(chat, 'said', { from: 'ann', at }, { to: ['a', 'b'], except: [ws, 'id'], filter: () => true })
    await ws.send('left')
    ws.sendAsync('left', undefined)
    hub.broadcast(chat, 'left')
    hub.to('a').broadcast(chat, 'left', undefined, { local: true })

    // @ts-expect-error a mistyped event
    await ws.send('sayd', { from: 'ann', at })
    // @ts-expect-error an event of clients
    await ws.send('say', { text: 'hi' })
    // @ts-expect-error an ask is no event
    await ws.send('confirm', { at })
    // @ts-expect-error a mistyped field
    await ws.send('said', { form: 'ann', at })
    // @ts-expect-error a wrong type
    ws.sendAsync('said', { from: 1, at })
    // @ts-expect-error senders give what goes into the schema
    ws.sendAsync('said', { from: 'ann', at: at.toJSON() })
    // @ts-expect-error the event has data
    await ws.send('said')
    // @ts-expect-error the event has no data
    await ws.send('left', {})
    // @ts-expect-error a mistyped event
    hub.broadcast(chat, 'sayd', { from: 'ann', at })
    // @ts-expect-error a wrong type
    hub.broadcast(chat, 'said', { from: 1, at })
    // @ts-expect-error the event has data
    room.broadcast(chat, 'said')
    // @ts-expect-error contract messages are text
    room.broadcast(chat, 'said', { from: 'ann', at }, { type: 2 })
    // @ts-expect-error not a contract
    hub.broadcast({ name: 'chat' }, 'said')
  }
  expect(never).toBeDefined()
})

test('asks', () => {
  const never = async (ws: Ws): Promise<void> => {
    expectTypeOf(await ws.ask('confirm', { at })).toEqualTypeOf<{ seen: boolean }>()
    await ws.ask('confirm', { at }, { timeout: 5_000, signal: ws.signal })
    expectTypeOf<AskOptions>().branded.toEqualTypeOf<{ timeout?: number; signal?: AbortSignal }>()
    // @ts-expect-error a mistyped name
    await ws.ask('confrim', { at })
    // @ts-expect-error a call is no ask
    await ws.ask('rename', { name: 'ann' })
    // @ts-expect-error the ask has an input
    await ws.ask('confirm')
    // @ts-expect-error a mistyped field of the answer
    void (await ws.ask('confirm', { at })).sen
  }
  expect(never).toBeDefined()
})

test('calls', () => {
  const never = (app: FastifyInstance, handler: (ws: Ws) => Promise<void>): void => {
    app.webSocketWithContract('/chat/:room', chat, handler, {
      calls: {
        rename: async (input, ws, { fail, signal }) => {
          expectTypeOf(input).toEqualTypeOf<{ name: string }>()
          expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
          expectTypeOf(ws.params).toEqualTypeOf<{ room: string }>()
          expectTypeOf(ws.ask('confirm', { at })).resolves.toEqualTypeOf<{ seen: boolean }>()
          expectTypeOf(fail('taken', 'taken by ann', { by: 'ann' })).toEqualTypeOf<ContractError<'taken' | 'bad'>>()
          // @ts-expect-error a mistyped code
          if (input.name === '') throw fail('tkaen')
          return input
        },
        count: (input, _ws, { fail }) => {
          expectTypeOf(input).toEqualTypeOf<undefined>()
          expectTypeOf(fail).parameter(0).toEqualTypeOf<never>()
          return 1
        },
        reset: () => {}
      }
    })
    // @ts-expect-error the contract has calls
    app.webSocketWithContract('/chat', chat, handler)
    // @ts-expect-error a call is missing
    app.webSocketWithContract('/chat', chat, handler, { calls: { rename, count: () => 1 } })
    // @ts-expect-error the contract has no such call
    app.webSocketWithContract('/chat', chat, handler, { calls: { ...calls, other: () => {} } })
    // @ts-expect-error a mistyped field of the input
    app.webSocketWithContract('/chat', chat, handler, { calls: { ...calls, rename: ({ nam }) => ({ name: nam }) } })
    // @ts-expect-error a mistyped field of the output
    app.webSocketWithContract('/chat', chat, handler, { calls: { ...calls, rename: async () => ({ nam: 'ann' }) } })
    // @ts-expect-error the call has an output
    app.webSocketWithContract('/chat', chat, handler, { calls: { ...calls, count: () => {} } })
    // @ts-expect-error the handler is left out, and clients send events
    app.webSocketWithContract('/chat', chat, { calls })
    // @ts-expect-error a mistyped option
    app.webSocketWithContract('/chat', chat, handler, { calls, preHandlr: async () => {} })
    // @ts-expect-error a mistyped option of the connection
    app.webSocketWithContract('/chat', chat, handler, { calls, webSocket: { maxMessageSiz: 1 } })
    // @ts-expect-error not a contract
    app.webSocketWithContract('/chat', {}, handler, { calls })
  }
  expectTypeOf<CallContext<'taken'>['fail']>().parameter(0).toEqualTypeOf<'taken'>()
  expect(never).toBeDefined()
})

test('a contract needs only what it has', () => {
  const feed = defineContract({ name: 'feed', fromServer: { news: z.object({ text: z.string() }) } })
  const math = defineContract({ name: 'math', calls: { one: { output: z.object({ one: z.number() }) } } })
  const log = defineContract({ name: 'log', fromClient: { line: z.object({ text: z.string() }) } })
  const never = (app: FastifyInstance): void => {
    app
      .webSocketWithContract('/feed', feed)
      .webSocketWithContract('/feed', feed, (ws) => ws.send('news', { text: 'hi' }))
      .webSocketWithContract('/feed', feed, { authenticate: (auth) => auth })
      .webSocketWithContract('/math', math, { calls: { one: () => ({ one: 1 }) } })
      .webSocketWithContract('/math', math, (ws) => void ws.close(), { calls: { one: async () => ({ one: 1 }) } })
      .webSocketWithContract('/log', log, async (ws) => void (await ws.receive()).data.text)
      .webSocketWithContract('/log', log, async () => {}, { preHandler: async () => {}, concurrency: 2 })
    // @ts-expect-error the calls are missing
    app.webSocketWithContract('/math', math)
    // @ts-expect-error the handler is missing
    app.webSocketWithContract('/log', log)
    // @ts-expect-error the contract has no events of the server
    app.webSocketWithContract('/log', log, (ws) => ws.send('news'))
  }
  expect(never).toBeDefined()
})

test('parameters of the path and of the query', () => {
  const log = defineContract({ name: 'log', fromClient: { line: null } })
  const never = (app: FastifyInstance, path: string): void => {
    app.webSocketWithContract('/:a/b/:c-:d.json/:e(^\\d+$)/:f?', log, (ws) => {
      expectTypeOf(ws.params).branded.toEqualTypeOf<{
        a: string
        c: string
        d: string
        e: string
        f: string | undefined
      }>()
      expectTypeOf(ws.query).toEqualTypeOf<unknown>()
      // @ts-expect-error a mistyped name
      void ws.params.g
    })
    app.webSocketWithContract('/files/*', log, (ws) => expectTypeOf(ws.params).toEqualTypeOf<{ '*': string }>())
    app.webSocketWithContract('/a::b', log, (ws) => expectTypeOf(ws.params).toEqualTypeOf<{}>())
    app.webSocketWithContract(path, log, (ws) => expectTypeOf(ws.params).toEqualTypeOf<unknown>())

    const schema = {
      params: { type: 'object', properties: { id: { type: 'integer' } }, required: ['id'] },
      querystring: { type: 'object', properties: { limit: { type: 'integer' } }, additionalProperties: false }
    } as const
    app.withTypeProvider<JsonSchemaToTsProvider>().webSocketWithContract(
      '/logs/:id',
      log,
      (ws, request) => {
        expectTypeOf(ws.params.id).toEqualTypeOf<number>()
        expectTypeOf(ws.query).toEqualTypeOf<{ limit?: number }>()
        expectTypeOf(request.params.id).toEqualTypeOf<number>()
      },
      { schema, preHandler: async (request) => expectTypeOf(request.params.id).toEqualTypeOf<number>() }
    )
    app.withTypeProvider<TypeBoxTypeProvider>().webSocketWithContract(
      '/logs/:id',
      log,
      (ws) => {
        expectTypeOf(ws.params).toEqualTypeOf<{ id: string }>()
        expectTypeOf(ws.query).toEqualTypeOf<{ limit: number }>()
      },
      { schema: { querystring: Type.Object({ limit: Type.Number() }) } }
    )
  }
  expect(never).toBeDefined()
})

test('auth has the type of what authenticate returns, if TypeScript knows it before the handler', () => {
  const feed = defineContract({ name: 'feed', fromServer: { news: null }, calls: { who: { output: z.string() } } })
  const never = (app: FastifyInstance, verify: (auth: unknown) => Promise<User>): void => {
    const who = (): string => 'ann'
    app.webSocketWithContract('/a', feed, (ws) => expectTypeOf(ws.auth).toEqualTypeOf<User>(), {
      authenticate: verify,
      calls: { who: (_input, ws) => ws.auth.name }
    })
    app.webSocketWithContract('/a', feed, (ws) => expectTypeOf(ws.auth).toEqualTypeOf<User>(), {
      authenticate: (auth: unknown) => verify(auth),
      calls: { who }
    })
    app.webSocketWithContract('/a', feed, (ws) => expectTypeOf(ws.auth).toEqualTypeOf<unknown>(), {
      authenticate: async (auth, ws) => {
        ws.setLocal('user', auth)
        return await verify(auth)
      },
      calls: { who }
    })
    const handler = (ws: ContractConnection<typeof feed, unknown, unknown, User>): string => ws.auth.name
    app.webSocketWithContract('/a', feed, handler, { authenticate: async (auth) => verify(auth), calls: { who } })
    app.webSocketWithContract('/a', feed, (ws) => expectTypeOf(ws.auth).toEqualTypeOf<unknown>(), { calls: { who } })
    // @ts-expect-error not a User
    app.webSocketWithContract('/a', feed, handler, { authenticate: async (auth) => ({ id: auth }), calls: { who } })
  }
  expect(never).toBeDefined()
})

test('handlers, hooks and loggers are those of the instance', () => {
  const log = defineContract({ name: 'log', fromClient: { line: null } })
  const never = (app: FastifyInstance): void => {
    const auth = async (_request: FastifyRequest): Promise<void> => {}
    app.webSocketWithContract(
      '/log',
      log,
      async function (ws, request) {
        expectTypeOf(this.wsHub).toEqualTypeOf<WebSocketHub>()
        expectTypeOf(ws.contract).toEqualTypeOf<typeof log>()
        expectTypeOf(request.id).toEqualTypeOf<string>()
        return ws.id
      },
      { onRequest: auth, preHandler: [auth] }
    )
    app.webSocketWithContract('/log', log, async (ws, request) => [ws, request], { config: { team: 'admin' } })
    expectTypeOf(app.webSocketWithContract('/log', log, () => {})).toEqualTypeOf<typeof app>()
    const loggerInstance = {} as FastifyBaseLogger & { audit(text: string): void }
    Fastify({ loggerInstance }).webSocketWithContract('/log', log, (_ws, request) => request.log.audit('open'), {
      preHandler: async (request) => request.log.audit('asked')
    })
  }
  expect(never).toBeDefined()
})

test('hubs take contract connections', () => {
  const never = (hub: WebSocketHub, ws: Ws, any: ContractConnection): void => {
    hub.join(ws, 'room')
    hub.leave(ws, 'room')
    hub.register(ws)
    hub.unregister(ws)
    hub.rooms(ws)
    hub.broadcast('x', { except: ws })
    hub.broadcastJSON({}, { except: [ws, any] })
    hub.to('room').broadcast('x', { except: [ws, ws.id] })
    hub.presence.set(ws, 'room', {})
    hub.presence.remove(ws, 'room')
    hub.disconnect(ws)
    hub.disconnect([ws, any], 4000)
    // @ts-expect-error not a connection
    hub.join({ id: ws.id }, 'room')
  }
  // Any route's connection fits where the types of the path, the query and the authentication do not matter.
  expectTypeOf<ContractConnection<Chat, { room: string }, { limit: number }, User>>().toExtend<Ws>()
  expectTypeOf<Ws>().toExtend<ContractConnection>()
  expectTypeOf<Ws>().toExtend<AnyConnection>()
  expectTypeOf<Ws['auth']>().toEqualTypeOf<unknown>()
  expectTypeOf<Ws['signal']>().toEqualTypeOf<AbortSignal>()
  expect(never).toBeDefined()
})

test('isContractError types the code', () => {
  const never = (error: unknown): void => {
    if (isContractError(error, chat, 'rename')) {
      expectTypeOf(error).toEqualTypeOf<ContractError<'taken' | 'bad'>>()
      expectTypeOf(error.data).toEqualTypeOf<object | undefined>()
      // @ts-expect-error a mistyped code
      if (error.code === 'tkaen') return
    }
    // @ts-expect-error a mistyped call
    if (isContractError(error, chat, 'renam')) return
    if (isContractError(error, chat, 'confirm')) expectTypeOf(error.code).toEqualTypeOf<'no'>()
    // @ts-expect-error an event
    if (isContractError(error, chat, 'say')) return
  }
  expect(never).toBeDefined()
})

test('one contract may mix all kinds of schemas', () => {
  const mixed = () =>
    contractWith<TypeBoxTypeProvider>()({
      name: 'mixed',
      fromClient: {
        zod: z.object({ a: z.number() }),
        valibot: v.object({ a: v.number() }),
        arktype: type({ a: 'number' }),
        typebox: Type.Object({ a: Type.Number() })
      },
      fromServer: { list: Type.Array(Type.String()), pairs: z.array(z.tuple([z.string(), z.number()])) },
      calls: { add: { input: Type.Object({ a: Type.Number() }), output: v.number(), errors: ['overflow'] } },
      asks: { which: { input: type({ of: 'string[]' }), output: Type.String() } }
    })
  type Mixed = ReturnType<typeof mixed>
  const never = async (ws: ContractConnection<Mixed>, app: FastifyInstance, contract: Mixed): Promise<void> => {
    for await (const event of ws) expectTypeOf(event.data).toEqualTypeOf<{ a: number }>()
    await ws.send('list', ['a'])
    await ws.send('pairs', [['a', 1]])
    expectTypeOf(await ws.ask('which', { of: ['a'] })).toEqualTypeOf<string>()
    app.webSocketWithContract('/', contract, () => {}, { calls: { add: ({ a }) => a + 1 } })
    // @ts-expect-error a wrong type
    await ws.send('list', [1])
    // @ts-expect-error a wrong type
    await ws.ask('which', { of: [1] })
  }
  expect(never).toBeDefined()
})

test('JSON Schemas have the types of the type provider, and are unknown without one', () => {
  const Text = { type: 'object', properties: { text: { type: 'string' } }, additionalProperties: false } as const
  const typed = contractWith<JsonSchemaToTsProvider>()({
    name: 'typed',
    fromClient: { say: Text, more: { type: 'object', properties: { a: { type: 'number' } }, required: ['a'] } },
    fromServer: { said: Text }
  })
  const untyped = defineContract({ name: 'untyped', fromClient: { say: Text }, fromServer: { said: Text } })
  const never = async (
    ws: ContractConnection<typeof typed>,
    other: ContractConnection<typeof untyped>
  ): Promise<void> => {
    const event = await ws.receive()
    if (event.type === 'say') expectTypeOf(event.data).toEqualTypeOf<{ text?: string }>()
    else expectTypeOf(event.data.a).toEqualTypeOf<number>()
    await ws.send('said', { text: 'hi' })
    // @ts-expect-error a wrong type
    await ws.send('said', { text: 1 })
    expectTypeOf((await other.receive()).data).toEqualTypeOf<unknown>()
    await other.send('said', { anything: 1 })
    // @ts-expect-error a mistyped event
    await other.send('sayd')
  }
  expect(never).toBeDefined()
})

test('receivers get the JSON form', () => {
  class Money {
    cents = 1
    toJSON(): { amount: string } {
      return { amount: '0.01' }
    }
  }
  const bank = defineContract({
    name: 'bank',
    fromServer: {
      paid: z.object({ at: z.date(), money: z.instanceof(Money), tags: z.array(z.date()).optional(), x: z.unknown() }),
      text: z.string().transform((text) => ({ text }))
    }
  })
  type Types = NonNullable<(typeof bank)['~types']>
  expectTypeOf<Types['fromServer']['paid']['out']>().branded.toEqualTypeOf<{
    at: string
    money: { amount: string }
    tags?: string[] | undefined
    x: unknown
  }>()
  expectTypeOf<Types['fromServer']['text']>().branded.toEqualTypeOf<{
    readonly in: string
    readonly out: { text: string }
  }>()
})

test('a definition that cannot work does not compile', () => {
  const never = (): void => {
    // @ts-expect-error data is an object or an array
    defineContract({ name: 'a', fromClient: { a: z.number() } })
    // @ts-expect-error data is an object or an array
    defineContract({ name: 'a', fromServer: { a: v.string() } })
    // @ts-expect-error data is an object or an array
    defineContract({ name: 'a', fromServer: { a: z.object({ b: z.string() }).transform(({ b }) => b) } })
    // @ts-expect-error the JSON form of a date is a string
    defineContract({ name: 'a', fromServer: { a: z.date() } })
    // @ts-expect-error data is an object or an array
    contractWith<TypeBoxTypeProvider>()({ name: 'a', fromClient: { a: Type.Number() } })
    // @ts-expect-error data is an object or an array
    contractWith<JsonSchemaToTsProvider>()({ name: 'a', fromClient: { a: { type: 'string' } } })
    // @ts-expect-error an input is an object or an array
    defineContract({ name: 'a', calls: { a: { input: z.string() } } })
    // @ts-expect-error an input is an object or an array
    defineContract({ name: 'a', asks: { a: { input: type('string') } } })
    // @ts-expect-error a client sends JSON
    defineContract({ name: 'a', fromClient: { a: z.object({ at: z.date() }) } })
    // @ts-expect-error an unknown key
    defineContract({ name: 'a', fromClent: {} })
    // @ts-expect-error an unknown key of a call
    defineContract({ name: 'a', calls: { a: { inptu: null } } })
    // @ts-expect-error not a schema
    defineContract({ name: 'a', fromClient: { a: 5 } })
    // @ts-expect-error no name
    defineContract({ fromClient: { a: null } })
  }
  expect(never).toBeDefined()
  defineContract({
    name: 'a',
    fromClient: { a: z.object({}).optional(), b: z.any(), c: z.record(z.string(), z.string()) }
  })
  // What is not data may be anything that JSON has.
  defineContract({ name: 'a', calls: { a: { output: z.string() }, b: { output: z.date() } } })
})
