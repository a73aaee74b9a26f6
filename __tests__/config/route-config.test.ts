import Fastify, { type FastifyInstance } from 'fastify'
import blazeWs, { defaultWebSocketConfig, type WebSocketConfig } from '../../src/index.ts'
import { closeServers, connect, startServer } from '../support/server.ts'

afterEach(closeServers)

describe('defaultWebSocketConfig()', () => {
  test('returns the documented defaults', () => {
    const { checkOrigin, ...values } = defaultWebSocketConfig()
    expect(values).toEqual({
      readBufferSize: 4096,
      writeBufferSize: 4096,
      readTimeout: 60_000,
      writeTimeout: 10_000,
      pingInterval: 30_000,
      pongTimeout: 60_000,
      closeTimeout: 5_000,
      maxMessageSize: 1_048_576,
      compressionLevel: 6,
      compressionThreshold: 1024,
      subprotocols: [],
      sendQueueSize: 256,
      slowConsumer: 'disconnect',
      maxConnections: 0,
      maxConnectionsPerIp: 0,
      firstMessageTimeout: 0,
      maxLifetime: 0,
      maxFragments: 1024,
      maxBufferedChunks: 4096,
      maxControlFrames: 500,
      rateLimit: false
    })
    expect(checkOrigin({} as never)).toBe(true)
  })

  test('returns a new object on each call, which the caller may change', async () => {
    const config = defaultWebSocketConfig()
    config.maxMessageSize = 10
    config.subprotocols.push('mine')
    expect(defaultWebSocketConfig()).toMatchObject({ maxMessageSize: 1_048_576, subprotocols: [] })
  })
})

describe('values', () => {
  let app: FastifyInstance
  beforeEach(async () => {
    app = Fastify()
    await app.register(blazeWs)
  })
  afterEach(() => app.close())

  let count = 0
  const add = (config: unknown): unknown => app.webSocketWithConfig(`/${count++}`, () => {}, config as WebSocketConfig)

  const MAX = 2 ** 31 - 1
  const notIntegers = [-1, 1.5, NaN, Infinity, '1', null, true, {}, [], 1n]
  const table: Record<keyof WebSocketConfig, { valid: unknown[]; invalid: unknown[]; says: string }> = {
    readBufferSize: { valid: [0, 1, MAX], invalid: [...notIntegers, MAX + 1], says: 'bytes' },
    writeBufferSize: { valid: [0, 1, MAX], invalid: [...notIntegers, MAX + 1], says: 'bytes' },
    readTimeout: { valid: [0, 1, MAX], invalid: [...notIntegers, MAX + 1], says: 'milliseconds' },
    writeTimeout: { valid: [0, 1, MAX], invalid: [...notIntegers, MAX + 1], says: 'milliseconds' },
    pingInterval: { valid: [0, 1, MAX], invalid: [...notIntegers, MAX + 1], says: 'milliseconds' },
    pongTimeout: { valid: [0, 1, MAX], invalid: [...notIntegers, MAX + 1], says: 'milliseconds' },
    closeTimeout: {
      valid: [1, MAX],
      invalid: [...notIntegers, 0, MAX + 1],
      says: 'from 1 to 2147483647 (milliseconds)'
    },
    maxMessageSize: { valid: [1, MAX], invalid: [...notIntegers, 0, MAX + 1], says: 'bytes' },
    compressionLevel: { valid: [0, 1, 6, 9], invalid: [...notIntegers, 10], says: '0 to 9' },
    compressionThreshold: { valid: [0, MAX], invalid: [...notIntegers, MAX + 1], says: 'bytes' },
    checkOrigin: {
      valid: [() => true, async () => false],
      invalid: [true, null, 'https://example.com', ['https://example.com'], {}],
      says: 'function'
    },
    subprotocols: {
      valid: [[], ['v1'], ['v1', 'graphql-transport-ws', "!#$%&'*+-.^_`|~"]],
      invalid: ['v1', null, {}, [1], [''], ['a b'], ['a,b'], ['ä'], ['a', 'a'], ['a\r\nb'], new Set(['v1'])],
      says: 'must'
    },
    sendQueueSize: { valid: [1, 1_000_000], invalid: [...notIntegers, 0, 1_000_001], says: 'messages' },
    slowConsumer: {
      valid: ['disconnect', 'dropNewest', 'dropOldest', { coalesce: () => 'key' }],
      invalid: ['drop', '', null, 1, true, [], {}, () => {}, { coalesce: 'key' }, { coalesce: () => 'key', other: 1 }],
      says: "'disconnect', 'dropNewest', 'dropOldest'"
    },
    maxConnections: { valid: [0, 1, MAX], invalid: [...notIntegers, MAX + 1], says: '0 = no limit' },
    maxConnectionsPerIp: { valid: [0, 1, MAX], invalid: [...notIntegers, MAX + 1], says: '0 = no limit' },
    firstMessageTimeout: { valid: [0, 1, MAX], invalid: [...notIntegers, MAX + 1], says: 'milliseconds' },
    maxLifetime: { valid: [0, 1, MAX], invalid: [...notIntegers, MAX + 1], says: 'milliseconds' },
    maxFragments: { valid: [1, MAX], invalid: [...notIntegers, 0, MAX + 1], says: 'fragments' },
    maxBufferedChunks: { valid: [1, MAX], invalid: [...notIntegers, 0, MAX + 1], says: 'chunks' },
    maxControlFrames: { valid: [0, 1, MAX], invalid: [...notIntegers, MAX + 1], says: '0 = no limit' },
    rateLimit: {
      valid: [
        false,
        { messages: 10 },
        { messages: 0.5, burst: 1 },
        { messages: 10, burst: 20, bytes: 1000, onLimit: 'close' },
        { messages: 1, onLimit: () => {} }
      ],
      invalid: [
        true,
        null,
        10,
        '10',
        [],
        () => {},
        {},
        { burst: 5 },
        { messages: 0 },
        { messages: -1 },
        { messages: NaN },
        { messages: Infinity },
        { messages: '10' },
        { messages: 10, burst: 0 },
        { messages: 10, burst: 1.5 },
        { messages: 10, bytes: 0 },
        { messages: 10, onLimit: 'drop' },
        { messages: 10, perSecond: 1 }
      ],
      says: 'rateLimit'
    }
  }

  test('the table covers every key', () => {
    expect(Object.keys(table).toSorted()).toEqual(Object.keys(defaultWebSocketConfig()).toSorted())
  })

  const cases = Object.entries(table)
  test.each(cases.flatMap(([key, { valid }]) => valid.map((value) => [key, value] as const)))(
    '%s: %p is accepted',
    (key, value) => {
      expect(() => add({ [key]: value })).not.toThrow()
    }
  )

  test.each(cases.flatMap(([key, { invalid, says }]) => invalid.map((value) => [key, value, says] as const)))(
    '%s: %p is refused, with the key and the allowed values',
    (key, value, says) => {
      const expected = expect.objectContaining({
        code: 'FST_BLAZE_WS_INVALID_OPTION',
        message: expect.stringContaining(`"config.${key}`)
      })
      expect(() => add({ [key]: value })).toThrow(expected)
      expect(() => add({ [key]: value })).toThrow(says)
      expect(() => add({ [key]: value })).toThrow(TypeError)
    }
  )

  test('the plugin’s config is checked in the same way', async () => {
    for (const [key, { invalid }] of cases) {
      const other = Fastify()
      await expect(other.register(blazeWs, { config: { [key]: invalid[0] } }).ready()).rejects.toThrow(
        `"config.${key}"`
      )
      await other.close()
    }
  })

  test.each(['pingIntervall', 'PingInterval', '__proto__x', 'constructor', 'toString', 'maxPayload'])(
    'the unknown key %s is refused, with a list of the known keys',
    (key) => {
      expect(() => add({ [key]: 1 })).toThrow(`"config.${key}"`)
      for (const known of Object.keys(table)) expect(() => add({ [key]: 1 })).toThrow(known)
    }
  )

  test('a `__proto__` from JSON is refused as an unknown key and pollutes nothing', () => {
    expect(() => add(JSON.parse('{ "__proto__": { "maxMessageSize": 1 } }'))).toThrow('__proto__')
    expect(({} as { maxMessageSize?: number }).maxMessageSize).toBeUndefined()
  })

  test.each([null, 1, 'x', true, [], () => {}])('a config that is not an object (%p) is refused', (config) => {
    expect(() => add(config)).toThrow(
      expect.objectContaining({ code: 'FST_BLAZE_WS_INVALID_OPTION', message: expect.stringContaining('"config"') })
    )
  })

  test('a long value is shortened in the error', () => {
    // 300 characters hold the key, the allowed values and the beginning of the value.
    expect(() => add({ slowConsumer: 'x'.repeat(100_000) })).toThrow(/^.{1,300}$/)
  })

  test('undefined counts as omitted', () => {
    expect(() => add(Object.fromEntries(Object.keys(table).map((key) => [key, undefined])))).not.toThrow()
    expect(() => add(undefined)).not.toThrow()
  })

  test('a refused route is not added', async () => {
    expect(() => app.webSocketWithConfig('/refused', () => {}, { maxMessageSize: 0 })).toThrow('config.maxMessageSize')
    expect(app.hasRoute({ method: 'GET', url: '/refused' })).toBe(false)
  })
})

describe('layers', () => {
  test("a route's values override the plugin's, which override the defaults", async () => {
    const { ws } = await startServer(
      (app) => {
        const answer = (): void => {}
        app.webSocket('/plugin', answer)
        app.webSocketWithConfig('/route', answer, { subprotocols: ['route'] })
        app.webSocketWithConfig('/undefined', answer, { subprotocols: undefined } as never)
        app.webSocketWithConfig('/empty', answer, { subprotocols: [] })
      },
      { config: { subprotocols: ['plugin'] } }
    )
    const chosen = async (path: string): Promise<string> =>
      (await connect(ws(path), ['route', 'plugin'])).socket.protocol
    expect(await chosen('/plugin')).toBe('plugin')
    expect(await chosen('/route')).toBe('route')
    expect(await chosen('/undefined')).toBe('plugin')
    await expect(chosen('/empty')).rejects.toThrow('no subprotocol')
  })

  test('config objects are copied: a later change has no effect', async () => {
    const config = { maxMessageSize: 10, subprotocols: ['before'] }
    const { ws } = await startServer((app) => {
      app.webSocketWithConfig('/ws', async (ws) => void (await ws.readMessage()), config)
      config.maxMessageSize = 1000
      config.subprotocols[0] = 'after'
    })
    const client = await connect(ws('/ws'), ['before', 'after'])
    expect(client.socket.protocol).toBe('before')
    client.socket.send('12345678901')
    expect((await client.close()).code).toBe(1009)
  })

  test('frozen objects are accepted', async () => {
    const config = Object.freeze({
      subprotocols: Object.freeze(['v1']) as string[],
      slowConsumer: Object.freeze({ coalesce: () => 1 })
    })
    const { ws } = await startServer(
      (app) => {
        app.webSocketWithConfig('/ws', () => {}, config)
      },
      { config }
    )
    expect((await connect(ws('/ws'), ['v1'])).socket.protocol).toBe('v1')
  })
})
