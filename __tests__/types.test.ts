import { once } from 'node:events'
import { expectTypeOf } from 'expect-type'
// The import adds to FastifyContextConfig, which accepts any key only while it is empty.
import '@fastify/rate-limit'
import type { JsonSchemaToTsProvider } from '@fastify/type-provider-json-schema-to-ts'
import type { FastifyPluginAsyncTypebox, TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Type as TypeBox } from 'typebox'
import type { WebSocket } from 'ws'
import blazeWs, {
  allowOrigins,
  BinaryMessage,
  type BlazeWsOptions,
  type BroadcastOptions,
  type Reached,
  CloseCode,
  CloseError,
  type CloseInfo,
  CloseMessage,
  defaultWebSocketConfig,
  errors,
  type FastifyError,
  type HubOptions,
  type HubStats,
  isCloseError,
  isUnexpectedCloseError,
  type MessageType,
  PingMessage,
  PongMessage,
  sameOrigin,
  type ShutdownOptions,
  type SlowConsumerPolicy,
  TextMessage,
  type WebSocketConfig,
  type WebSocketConnection,
  type WebSocketContext,
  type WebSocketHandler,
  WebSocketHub,
  type WebSocketMessage,
  type WebSocketRouteOptions
} from 'fastify-blaze-ws'

// tsc checks these assertions; Jest only checks that nothing throws. Code that must not compile is marked as an
// expected error, in functions that are never called.

// TypeBox is ESM only, and Jest cannot load that: this test needs only its types.
const Type = {} as typeof TypeBox

interface User {
  id: number
  name: string
}

declare module 'fastify-blaze-ws' {
  interface WebSocketLocals {
    typedUser: User
  }
}

test('constants', () => {
  expectTypeOf<typeof TextMessage>().toEqualTypeOf<1>()
  expectTypeOf<typeof BinaryMessage>().toEqualTypeOf<2>()
  expectTypeOf<typeof CloseMessage>().toEqualTypeOf<8>()
  expectTypeOf<typeof PingMessage>().toEqualTypeOf<9>()
  expectTypeOf<typeof PongMessage>().toEqualTypeOf<10>()
  expectTypeOf<MessageType>().toEqualTypeOf<1 | 2 | 8 | 9 | 10>()
  expectTypeOf(CloseCode.NormalClosure).toEqualTypeOf<1000>()
  expectTypeOf(CloseCode.AbnormalClosure).toEqualTypeOf<1006>()
  expectTypeOf<1000>().toExtend<CloseCode>()
  expectTypeOf<4000>().not.toExtend<CloseCode>()
  expect(TextMessage).toBe(1)
})

test('adding routes', () => {
  const handler: WebSocketHandler = async () => {}
  const never = (app: FastifyInstance): void => {
    app.webSocket('/ws', handler)
    app.webSocket('/ws', handler, { preHandler: async () => {} })
    app.webSocket('/ws', { preHandler: async () => {} }, handler)
    app.webSocketWithConfig('/ws', handler)
    app.webSocketWithConfig(
      '/ws',
      handler,
      { maxMessageSize: 1 },
      { config: {}, constraints: { version: '1.0.0' }, logLevel: 'warn' }
    )
    expectTypeOf(app.webSocket('/ws', handler)).toEqualTypeOf<FastifyInstance>()

    // @ts-expect-error a handler is needed
    app.webSocket('/ws')
    // @ts-expect-error a path is needed
    app.webSocket(handler)
    // @ts-expect-error options are not a handler
    app.webSocket('/ws', { preHandler: async () => {} })
    // @ts-expect-error two handlers
    app.webSocket('/ws', handler, handler)
    // @ts-expect-error two sets of options
    app.webSocket('/ws', {}, {})
    // @ts-expect-error the path is a string
    app.webSocket(/ws/, handler)
    // @ts-expect-error the application cannot choose the method
    app.webSocket('/ws', handler, { method: 'GET' })
    // @ts-expect-error an option of @fastify/websocket
    app.webSocket('/ws', handler, { websocket: true })
    // @ts-expect-error an option of @fastify/websocket
    app.webSocket('/ws', { wsHandler: () => {} }, handler)
    // @ts-expect-error configuration is not a route option
    app.webSocket('/ws', handler, { maxMessageSize: 1 })
    // @ts-expect-error an unknown key
    app.webSocketWithConfig('/ws', handler, { maxPayload: 1 })
    // @ts-expect-error a size is a number
    app.webSocketWithConfig('/ws', handler, { maxMessageSize: '1MB' })
    // @ts-expect-error an unknown policy
    app.webSocketWithConfig('/ws', handler, { slowConsumer: 'drop' })
    // @ts-expect-error the configuration comes before the route options
    app.webSocketWithConfig('/ws', handler, { preHandler: async () => {} }, { maxMessageSize: 1 })
  }
  expect(never).toBeDefined()
})

test('handlers', () => {
  expectTypeOf<WebSocketHandler>().parameters.toEqualTypeOf<[WebSocketConnection, FastifyRequest]>()
  expectTypeOf<WebSocketHandler>().thisParameter.toEqualTypeOf<FastifyInstance>()
  expectTypeOf<() => void>().toExtend<WebSocketHandler>()
  expectTypeOf<(ws: WebSocketConnection) => Promise<void>>().toExtend<WebSocketHandler>()
  expectTypeOf<(ws: string) => void>().not.toExtend<WebSocketHandler>()
  // What a handler returns is ignored.
  expectTypeOf<() => boolean | undefined>().toExtend<WebSocketHandler>()
  expectTypeOf<() => unknown>().toExtend<WebSocketHandler>()
  expectTypeOf<() => Promise<number | null>>().toExtend<WebSocketHandler>()

  const never = (app: FastifyInstance): void => {
    app.webSocket('/ws', async function (ws, request) {
      expectTypeOf(this).toEqualTypeOf<FastifyInstance>()
      expectTypeOf(ws).toEqualTypeOf<WebSocketConnection>()
      expectTypeOf(request).toEqualTypeOf<FastifyRequest>()
      for await (const message of ws) expectTypeOf(message).toEqualTypeOf<WebSocketMessage>()
    })
    app.webSocket('/ws', (ws) => app.wsHub.register(ws))
    app.webSocket('/ws', { preHandler: async () => {} }, (ws) => app.wsHub.join(ws, 'room'))
    app.webSocket('/ws', async (ws) => (await ws.readMessage()).data.length)
    app.webSocket('/ws', (ws) => new Promise((resolve) => ws.signal.addEventListener('abort', () => resolve())))
    app.webSocket('/ws', async (ws) => new Promise((resolve) => ws.signal.addEventListener('abort', () => resolve())))
    app.webSocketWithConfig('/ws', async (ws) => [await ws.readMessage()])
    app.webSocket('/ws', { handler: async (request, reply) => reply.send(request.id) }, (ws) => {
      expectTypeOf(ws).toEqualTypeOf<WebSocketConnection>()
    })
    app.webSocketWithConfig('/ws', (ws, request) => {
      expectTypeOf(ws).toEqualTypeOf<WebSocketConnection>()
      expectTypeOf(request).toEqualTypeOf<FastifyRequest>()
    })
  }
  expect(never).toBeDefined()
})

test('a route generic types the request, as on any Fastify route', () => {
  const never = (app: FastifyInstance): void => {
    app.webSocket<{ Params: { room: string }; Querystring: { limit: number } }>(
      '/rooms/:room',
      async (_ws, request) => {
        expectTypeOf(request.params).toEqualTypeOf<{ room: string }>()
        expectTypeOf(request.query).toEqualTypeOf<{ limit: number }>()
      },
      { preHandler: async (request) => expectTypeOf(request.params.room).toEqualTypeOf<string>() }
    )
    app.webSocket<{ Headers: { 'x-user': string } }>('/ws', { preHandler: async () => {} }, (_ws, request) => {
      expectTypeOf(request.headers['x-user']).toEqualTypeOf<string>()
    })
    app.webSocketWithConfig<{ Params: { room: string } }>(
      '/:room',
      (_ws, request) => {
        expectTypeOf(request.params.room).toEqualTypeOf<string>()
      },
      {},
      {}
    )
  }
  expect(never).toBeDefined()
})

const QUERY = {
  type: 'object',
  properties: { limit: { type: 'integer' }, tag: { type: 'string' } },
  required: ['limit']
} as const

test('a type provider types the request by the schema, in handlers and hooks', () => {
  const never = (plain: FastifyInstance): void => {
    const app = plain.withTypeProvider<JsonSchemaToTsProvider>()
    const schema = {
      querystring: QUERY,
      params: { type: 'object', properties: { room: { type: 'string' } }, required: ['room'] },
      headers: { type: 'object', properties: { 'X-User': { type: 'string' } }, required: ['X-User'] }
    } as const
    app.webSocket(
      '/rooms/:room',
      async function (ws, request) {
        expectTypeOf(this.wsHub).toEqualTypeOf<WebSocketHub>()
        expectTypeOf(ws).toEqualTypeOf<WebSocketConnection>()
        expectTypeOf(request.params).toExtend<{ room: string }>()
        expectTypeOf(request.query.limit).toEqualTypeOf<number>()
        expectTypeOf(request.query.tag).toEqualTypeOf<string | undefined>()
        expectTypeOf(request.headers['x-user']).toEqualTypeOf<string>()
      },
      { schema, preHandler: async (request) => expectTypeOf(request.query.limit).toEqualTypeOf<number>() }
    )
    app.webSocket(
      '/rooms/:room',
      {
        schema,
        onRequest: (request, _reply, done) => {
          expectTypeOf(request.params.room).toEqualTypeOf<string>()
          done()
        },
        preValidation: [async (request) => expectTypeOf(request.query.tag).toEqualTypeOf<string | undefined>()],
        handler: (request, reply) => reply.send(expectTypeOf(request.query.limit).toEqualTypeOf<number>())
      },
      (_ws, request) => {
        expectTypeOf(request.query.limit).toEqualTypeOf<number>()
      }
    )
    app.webSocketWithConfig(
      '/rooms/:room',
      async (_ws, { query, params }) => {
        expectTypeOf(query.limit).toEqualTypeOf<number>()
        expectTypeOf(params.room).toEqualTypeOf<string>()
      },
      { maxMessageSize: 1 },
      { schema, onRequest: async ({ query }) => expectTypeOf(query.limit).toEqualTypeOf<number>() }
    )
    // An inline schema needs no `as const`.
    app.webSocket('/inline', (_ws, request) => expectTypeOf(request.query.limit).toEqualTypeOf<number>(), {
      schema: { querystring: { type: 'object', properties: { limit: { type: 'integer' } }, required: ['limit'] } }
    })
    app.webSocket(
      '/wrong',
      (_ws, request) => {
        // @ts-expect-error a number has no length
        void request.query.limit.length
      },
      { schema }
    )
    // A route without a schema, and a route with its own generics.
    app.webSocket('/plain', (_ws, request) => expectTypeOf(request.query).toEqualTypeOf<unknown>())
    app.webSocket<{ Querystring: { limit: string } }>('/own', (_ws, request) =>
      expectTypeOf(request.query).toEqualTypeOf<{ limit: string }>()
    )
    expectTypeOf(app.webSocket('/ws', () => {})).toEqualTypeOf<typeof app>()
  }
  expect(never).toBeDefined()
})

test('the TypeBox type provider does the same, also in plugins and across several routes', () => {
  const never = async (plain: FastifyInstance): Promise<void> => {
    const app = plain.withTypeProvider<TypeBoxTypeProvider>()
    const Query = Type.Object({ limit: Type.Integer(), tags: Type.Array(Type.String()) })
    app
      .webSocket(
        '/a',
        {
          schema: { querystring: Query },
          preHandler: async (request) => expectTypeOf(request.query.tags).toEqualTypeOf<string[]>()
        },
        (_ws, request) => {
          expectTypeOf(request.query).toEqualTypeOf<{ limit: number; tags: string[] }>()
        }
      )
      .webSocketWithConfig(
        '/b/:id',
        (_ws, request) => {
          expectTypeOf(request.params).toEqualTypeOf<{ id: number }>()
        },
        {},
        { schema: { params: Type.Object({ id: Type.Integer() }) } }
      )
    const plugin: FastifyPluginAsyncTypebox = async (scope) => {
      scope.webSocket('/c', (_ws, request) => expectTypeOf(request.query.limit).toEqualTypeOf<number>(), {
        schema: { querystring: Query }
      })
    }
    await app.register(plugin)
  }
  expect(never).toBeDefined()
})

test('handlers and hooks written without a schema fit any instance and any route', () => {
  const handler: WebSocketHandler = async () => {}
  const auth = async (_request: FastifyRequest, _reply: FastifyReply): Promise<void> => {}
  const never = (plain: FastifyInstance): void => {
    const schema = { querystring: QUERY }
    plain.webSocket('/ws', handler, { schema, preHandler: auth })
    plain.withTypeProvider<JsonSchemaToTsProvider>().webSocket('/ws', handler, { schema, preHandler: auth })
    plain
      .withTypeProvider<TypeBoxTypeProvider>()
      .webSocket('/ws', { schema: { querystring: Type.Object({ a: Type.String() }) }, preHandler: [auth] }, handler)
    plain.withTypeProvider<TypeBoxTypeProvider>().webSocketWithConfig('/ws', handler, {}, { preHandler: auth })
    Fastify({ https: {} }).webSocket('/ws', handler, { schema, preHandler: auth })
  }
  expect(never).toBeDefined()
})

test('a custom logger type reaches the handlers of its instance', () => {
  const never = (): void => {
    const loggerInstance = {} as FastifyBaseLogger & { audit(text: string): void }
    Fastify({ loggerInstance }).webSocket('/ws', (_ws, request) => request.log.audit('open'), {
      preHandler: async (request) => request.log.audit('asked')
    })
  }
  expect(never).toBeDefined()
})

test('config of a route accepts the same as on app.get(), whatever plugins have added to FastifyContextConfig', () => {
  const never = (app: FastifyInstance): void => {
    app.get('/', { config: { team: 'admin' } }, async () => 'x')
    app.webSocket('/ws', () => {}, { config: { team: 'admin' } })
    app.webSocket('/ws', { config: { team: 'admin' } }, () => {})
  }
  expect(never).toBeDefined()
})

test('configuration', () => {
  expectTypeOf(defaultWebSocketConfig).returns.toEqualTypeOf<WebSocketConfig>()
  expectTypeOf<keyof WebSocketConfig>().toEqualTypeOf<
    | 'readBufferSize'
    | 'writeBufferSize'
    | 'readTimeout'
    | 'writeTimeout'
    | 'pingInterval'
    | 'pongTimeout'
    | 'closeTimeout'
    | 'maxMessageSize'
    | 'compressionLevel'
    | 'compressionThreshold'
    | 'checkOrigin'
    | 'subprotocols'
    | 'sendQueueSize'
    | 'slowConsumer'
    | 'maxConnections'
    | 'maxConnectionsPerIp'
    | 'firstMessageTimeout'
    | 'maxLifetime'
    | 'maxFragments'
    | 'maxBufferedChunks'
    | 'maxControlFrames'
    | 'rateLimit'
  >()
  expectTypeOf<BlazeWsOptions['config']>().toEqualTypeOf<Partial<WebSocketConfig> | undefined>()
  expectTypeOf<BlazeWsOptions['shutdown']>().toEqualTypeOf<ShutdownOptions | undefined>()
  expectTypeOf<BlazeWsOptions['hub']>().toEqualTypeOf<HubOptions | undefined>()
  expectTypeOf(sameOrigin()).toExtend<WebSocketConfig['checkOrigin']>()
  expectTypeOf(allowOrigins(['https://example.com'])).toExtend<WebSocketConfig['checkOrigin']>()
  expectTypeOf<(request: FastifyRequest) => Promise<boolean>>().toExtend<WebSocketConfig['checkOrigin']>()
  expectTypeOf<'disconnect' | 'dropNewest' | 'dropOldest'>().toExtend<SlowConsumerPolicy>()
  expectTypeOf<{ coalesce: (data: string | Uint8Array) => string }>().toExtend<SlowConsumerPolicy>()
  expectTypeOf<'drop'>().not.toExtend<SlowConsumerPolicy>()
  expectTypeOf<'websocket' | 'wsHandler' | 'method' | 'url'>().not.toExtend<keyof WebSocketRouteOptions>()

  const never = async (): Promise<void> => {
    const app = Fastify()
    await app.register(blazeWs)
    await app.register(blazeWs, {
      config: { pingInterval: 0 },
      shutdown: { grace: 1 },
      hub: {},
      websocket: { options: { maxPayload: 1 } }
    })
    // @ts-expect-error an unknown option
    await app.register(blazeWs, { confg: {} })
    // @ts-expect-error a wrong type
    await app.register(blazeWs, { shutdown: { grace: '2s' } })
  }
  expect(never).toBeDefined()
})

test('connections', () => {
  expectTypeOf<WebSocketMessage>().toEqualTypeOf<{ type: MessageType; data: Buffer }>()
  expectTypeOf<WebSocketConnection>().toExtend<AsyncIterable<WebSocketMessage>>()
  expectTypeOf<WebSocketConnection['closeInfo']>().toEqualTypeOf<CloseInfo | undefined>()
  expectTypeOf<CloseInfo>().toEqualTypeOf<{ code: number; reason: string; wasClean: boolean }>()
  expectTypeOf<WebSocketConnection['signal']>().toEqualTypeOf<AbortSignal>()
  expectTypeOf<WebSocketConnection['socket']>().toEqualTypeOf<WebSocket>()

  const never = async (ws: WebSocketConnection): Promise<void> => {
    expectTypeOf(await ws.readMessage()).toEqualTypeOf<WebSocketMessage>()
    expectTypeOf(await ws.readMessage({ signal: AbortSignal.timeout(1) })).toEqualTypeOf<WebSocketMessage>()
    expectTypeOf(await ws.readJSON<User>()).toEqualTypeOf<User>()
    expectTypeOf(await ws.readJSON()).toEqualTypeOf<unknown>()
    expectTypeOf(ws.writeMessage(TextMessage, 'x')).toEqualTypeOf<Promise<void>>()
    expectTypeOf(ws.writeMessage(BinaryMessage, new Uint8Array(1))).toEqualTypeOf<Promise<void>>()
    expectTypeOf(ws.writeText('x')).toEqualTypeOf<Promise<void>>()
    expectTypeOf(ws.writeBinary(Buffer.alloc(1))).toEqualTypeOf<Promise<void>>()
    expectTypeOf(ws.writeJSON({ any: ['thing'] })).toEqualTypeOf<Promise<void>>()
    expectTypeOf(ws.writeAsync('x')).toEqualTypeOf<boolean>()
    expectTypeOf(ws.writeAsync(new Uint8Array(1), BinaryMessage)).toEqualTypeOf<boolean>()
    expectTypeOf(ws.ping()).toEqualTypeOf<Promise<void>>()
    expectTypeOf(ws.pong('x')).toEqualTypeOf<Promise<void>>()
    expectTypeOf(ws.close()).toEqualTypeOf<Promise<void>>()
    expectTypeOf(ws.close(CloseCode.GoingAway, 'x')).toEqualTypeOf<Promise<void>>()
    expectTypeOf(ws.close(4000)).toEqualTypeOf<Promise<void>>()
    expectTypeOf(ws.closeGracefully(1)).toEqualTypeOf<Promise<void>>()
    expectTypeOf(ws.isClosed()).toEqualTypeOf<boolean>()
    for (const value of [ws.id, ws.protocol, ws.remoteAddr(), ws.localAddr(), ws.userAgent(), ws.header('x')])
      expectTypeOf(value).toEqualTypeOf<string>()
    expectTypeOf(ws.bufferedAmount).toEqualTypeOf<number>()
    expectTypeOf(ws.context()).toEqualTypeOf<WebSocketContext>()
    expectTypeOf(ws.context().locals<User>('user')).toEqualTypeOf<User | undefined>()
    expectTypeOf(ws.context().query('x')).toEqualTypeOf<string>()
    expectTypeOf(ws.context().isShuttingDown()).toEqualTypeOf<boolean>()
    expectTypeOf(ws.context().shutdownSignal).toEqualTypeOf<AbortSignal>()

    // @ts-expect-error text is a string
    void ws.writeText(Buffer.from('x'))
    // @ts-expect-error binary is bytes
    void ws.writeBinary('x')
    // @ts-expect-error 3 is not a message type
    void ws.writeMessage(3, 'x')
    // @ts-expect-error a timeout is needed
    void ws.closeGracefully()
    // @ts-expect-error read-only
    ws.request = ws.context().request
  }
  expect(never).toBeDefined()
})

test('locals are typed by declaration merging, and otherwise accept any type', () => {
  const never = (ws: WebSocketConnection): void => {
    ws.setLocal('typedUser', { id: 1, name: 'ann' })
    expectTypeOf(ws.getLocal('typedUser')).toEqualTypeOf<User | undefined>()
    ws.setLocal('anything', new Map())
    expectTypeOf(ws.getLocal<string>('anything')).toEqualTypeOf<string | undefined>()
    expectTypeOf(ws.getLocal('anything')).toEqualTypeOf<unknown>()
    // @ts-expect-error not a User
    ws.setLocal('typedUser', { id: '1' })
    // @ts-expect-error a key is a string
    ws.setLocal(1, 1)
  }
  expect(never).toBeDefined()
})

test('errors', () => {
  expectTypeOf<CloseError>().toExtend<Error>()
  expectTypeOf<CloseError>().toExtend<FastifyError>()
  expectTypeOf<Pick<CloseError, 'closeCode' | 'reason' | 'wasClean'>>().toEqualTypeOf<{
    readonly closeCode: number
    readonly reason: string
    readonly wasClean: boolean
  }>()
  expectTypeOf(new errors.INVALID_OPTION('a', 'b')).toExtend<FastifyError>()

  const narrow = (error: unknown): number => {
    if (isCloseError(error, CloseCode.NormalClosure, 4000)) {
      expectTypeOf(error).toExtend<CloseError>()
      expectTypeOf(error.closeCode).toEqualTypeOf<1000 | 4000>()
      return error.closeCode
    }
    if (isCloseError(error)) expectTypeOf(error.closeCode).toEqualTypeOf<number>()
    if (isUnexpectedCloseError(error, 1000, 4000)) {
      expectTypeOf(error).toEqualTypeOf<CloseError>()
      return error.closeCode
    }
    return 0
  }
  expect(narrow(new CloseError({ code: 4001, reason: '', wasClean: true }))).toBe(4001)
})

test('the hub', () => {
  expectTypeOf<FastifyInstance['wsHub']>().toEqualTypeOf<WebSocketHub>()
  expectTypeOf<ReturnType<WebSocketHub['stats']>>().toEqualTypeOf<HubStats>()
  const never = (hub: WebSocketHub, ws: WebSocketConnection): void => {
    hub.broadcast('x', { to: ['a', 'b'], except: [ws], filter: (ws) => ws.isClosed(), type: BinaryMessage })
    hub.broadcastJSON({ a: 1 }, { to: 'a', except: ws })
    hub.to('a').broadcast('x')
    hub.to(['a', 'b']).broadcastJSON({})
    hub.on('slow', (ws) => expectTypeOf(ws).toEqualTypeOf<WebSocketConnection>())
    expectTypeOf(hub.getClients('a')).toEqualTypeOf<WebSocketConnection[]>()
    expectTypeOf(hub.getRooms()).toEqualTypeOf<string[]>()
    expectTypeOf(hub.getClientCount()).toEqualTypeOf<number>()
    expectTypeOf(hub.run()).toEqualTypeOf<Promise<void>>()
    expectTypeOf(hub.shutdown(1)).toEqualTypeOf<Promise<void>>()
    hub.to('a').broadcast('x', { coalesce: 'key' })
    hub.broadcastJSON({}, { volatile: true })
    expectTypeOf(hub.to('a').latest('key', 'x', { every: 33, except: ws })).toEqualTypeOf<void>()
    expectTypeOf(hub.reach('x', { to: 'a', timeout: 1 })).toEqualTypeOf<Promise<Reached>>()
    expectTypeOf(hub.to('a').reach('x')).toEqualTypeOf<Promise<Reached>>()
    // @ts-expect-error a filter cannot be sent to other nodes
    void hub.reach('x', { filter: () => true })
    // @ts-expect-error the key is an argument
    hub.to('a').latest('key', 'x', { coalesce: 'key' })
    // @ts-expect-error what is published must arrive
    void hub.to('a').publish('x', { volatile: true })
    expectTypeOf<BroadcastOptions['type']>().toEqualTypeOf<MessageType | undefined>()
    // @ts-expect-error an object is for broadcastJSON
    hub.broadcast({ a: 1 })
    // @ts-expect-error an unknown option
    hub.broadcast('x', { room: 'a' })
    // @ts-expect-error an unknown event
    hub.on('fast', () => {})
    hub.once('degraded', (error) => expectTypeOf(error).toEqualTypeOf<Error>())
    hub.prependListener('recovered', async () => {})
    for (const event of ['register', 'unregister'] as const)
      hub.on(event, (ws) => expectTypeOf(ws).toEqualTypeOf<WebSocketConnection>())
    hub.presence.on('join', (room, present) => expectTypeOf([room, present]).toExtend<unknown[]>())
    // The helpers of node:events accept a hub.
    void once(hub, 'slow')
    const anything = (): void => {}
    // @ts-expect-error a mistyped event
    hub.on('mesage', anything)
    // @ts-expect-error a mistyped event
    hub.once('registered', anything)
    // @ts-expect-error a mistyped event
    hub.addListener('Slow', anything)
    // @ts-expect-error a mistyped event
    hub.prependListener('message', anything)
    // @ts-expect-error a mistyped event
    hub.prependOnceListener('message', anything)
    // @ts-expect-error a mistyped event
    hub.off('message', anything)
    // @ts-expect-error the hub emits no errors
    hub.on('error', anything)
    // @ts-expect-error a mistyped event
    hub.presence.on('jion', anything)
    // @ts-expect-error use broadcast to send to clients
    hub.emit('news')
    // @ts-expect-error only the hub emits its events
    hub.emit('register', ws)
    // @ts-expect-error only presence emits its events
    hub.presence.emit('join', 'room')
    hub.join(ws.id, 'room')
    // @ts-expect-error only a connection can be registered
    hub.register(ws.id)
    hub.cluster.on<{ key: string }>('changed', ({ key }, { node }) => key + node)
    // @ts-expect-error an unknown option
    void new WebSocketHub({ size: 1 })
  }
  expect(never).toBeDefined()
})
