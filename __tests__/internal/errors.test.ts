import { inspect } from 'node:util'
import createError from '@fastify/error'
import { CloseError, errors } from '../../src/index.ts'
import { closeServers, connect, startServer } from '../support/server.ts'

afterEach(closeServers)

const all = Object.entries(errors)

test('every error has its own code: the prefix of the package and its name', () => {
  expect(all.map(([name, Class]) => [name, new Class('a', 'b').code])).toEqual(
    all.map(([name]) => [name, `FST_BLAZE_WS_${name}`])
  )
})

test('every error is an Error of @fastify/error with a message and a stack', () => {
  for (const [, Class] of all) {
    const error = new Class('first', 'second')
    expect(error).toBeInstanceOf(Error)
    expect(error).toBeInstanceOf(createError.FastifyError)
    expect(error.message).not.toMatch(/%s|undefined/)
    expect(error.stack).toContain('errors.test.ts')
    expect(inspect(error)).toContain(error.code)
  }
})

test.each([
  ['INVALID_OPTION', TypeError],
  ['INVALID_ROUTE', TypeError],
  ['INVALID_ARGUMENT', TypeError],
  ['OUT_OF_RANGE', RangeError],
  ['INVALID_JSON', SyntaxError]
] as const)('%s is an instance of the matching built-in error class', (name, Class) => {
  expect(new errors[name]('a', 'b')).toBeInstanceOf(Class)
})

test.each([
  ['UPGRADE_REQUIRED', 426],
  ['BAD_HANDSHAKE', 400],
  ['UNSUPPORTED_VERSION', 426],
  ['ORIGIN_FORBIDDEN', 403],
  ['SHUTTING_DOWN', 503]
] as const)('%s has status code %i', (name, statusCode) => {
  expect(new errors[name]().statusCode).toBe(statusCode)
})

test('a CloseError is an instance of errors.CLOSED', () => {
  expect(new CloseError({ code: 1000, reason: '', wasClean: true })).toBeInstanceOf(errors.CLOSED)
})

test('an error handler of the application can tell refusals apart by their code', async () => {
  const codes: unknown[] = []
  const { ws, http } = await startServer((app) => {
    app.setErrorHandler((error: { code?: string; statusCode?: number }, _request, reply) => {
      codes.push(error.code)
      return reply.code(error.statusCode ?? 500).send()
    })
    app.webSocketWithConfig('/ws', () => {}, { checkOrigin: () => false })
  })
  await expect(connect(ws('/ws'))).rejects.toThrow('403')
  expect((await fetch(http('/ws'))).status).toBe(426)
  expect(codes).toEqual(['FST_BLAZE_WS_ORIGIN_FORBIDDEN', 'FST_BLAZE_WS_UPGRADE_REQUIRED'])
})

test('a second read while one waits rejects with CONCURRENT_READ and does not disturb the first', async () => {
  const { ws } = await startServer((app) => {
    app.webSocket('/ws', async (ws) => {
      const first = ws.readMessage()
      const codes: unknown[] = []
      const note = (error: { code?: string }): unknown => codes.push(error.code)
      await ws.readMessage().catch(note)
      await ws.readJSON().catch(note)
      await ws[Symbol.asyncIterator]().next().catch(note)
      await ws.writeJSON(codes)
      await ws.writeText((await first).data.toString())
    })
  })
  const client = await connect(ws('/ws'))
  expect(JSON.parse(await client.next())).toEqual(Array.from({ length: 3 }, () => 'FST_BLAZE_WS_CONCURRENT_READ'))
  client.socket.send('for the first')
  expect(await client.next()).toBe('for the first')
})

test.each([
  ['writeMessage', [7, 'x'], 'type'],
  ['writeMessage', [8, 'x'], 'type'],
  ['writeMessage', ['1', 'x'], 'type'],
  ['writeMessage', [1, 42], 'data'],
  ['writeMessage', [1, undefined], 'data'],
  ['writeMessage', [1, { a: 1 }], 'data'],
  ['writeMessage', [1, Buffer.from([0xff])], 'data'],
  ['writeMessage', [2, null], 'data'],
  ['writeText', [Buffer.from('x')], 'text'],
  ['writeText', [undefined], 'text'],
  ['writeBinary', ['x'], 'bytes'],
  ['writeBinary', [[1, 2]], 'data'],
  ['writeJSON', [undefined], 'value'],
  ['writeJSON', [() => {}], 'value'],
  ['ping', [42], 'data'],
  ['closeGracefully', ['1s'], 'timeout'],
  ['closeGracefully', [undefined], 'timeout']
] as const)(
  '%s(%p) rejects with a TypeError that names %s, and the connection stays open',
  async (method, args, named) => {
    let error: unknown
    const { ws } = await startServer((app) => {
      app.webSocket('/ws', async (ws) => {
        error = await (ws[method] as (...args: unknown[]) => Promise<unknown>)(...args).catch(
          (reason: unknown) => reason
        )
        await ws.writeText('still open')
      })
    })
    expect(await (await connect(ws('/ws'))).next()).toBe('still open')
    expect(error).toBeInstanceOf(TypeError)
    expect(error).toMatchObject({
      code: 'FST_BLAZE_WS_INVALID_ARGUMENT',
      message: expect.stringContaining(`"${named}"`)
    })
  }
)

test.each([
  ['ping', ['x'.repeat(126)], 'data'],
  ['ping', [Buffer.alloc(126)], 'data'],
  ['pong', ['ä'.repeat(63)], 'data'],
  ['closeGracefully', [-1], 'timeout'],
  ['closeGracefully', [NaN], 'timeout'],
  ['closeGracefully', [2 ** 31], 'timeout']
] as const)('%s(%p) rejects with a RangeError that names %s', async (method, args, named) => {
  let error: unknown
  const { ws } = await startServer((app) => {
    app.webSocket('/ws', async (ws) => {
      error = await (ws[method] as (...args: unknown[]) => Promise<unknown>)(...args).catch((reason: unknown) => reason)
      await ws.writeText('still open')
    })
  })
  expect(await (await connect(ws('/ws'))).next()).toBe('still open')
  expect(error).toBeInstanceOf(RangeError)
  expect(error).toMatchObject({ code: 'FST_BLAZE_WS_OUT_OF_RANGE', message: expect.stringContaining(`"${named}"`) })
})

test.each([
  [[42], 'data'],
  [[undefined], 'data'],
  [[Buffer.from([0xff])], 'data'],
  [['x', 9], 'type'],
  [['x', 'text'], 'type']
] as const)('writeAsync(%p) throws a TypeError that names %s', async (args, named) => {
  let error: unknown
  const { ws } = await startServer((app) => {
    app.webSocket('/ws', async (ws) => {
      try {
        ;(ws.writeAsync as (...args: unknown[]) => boolean)(...args)
      } catch (caught) {
        error = caught
      }
      await ws.writeText('still open')
    })
  })
  expect(await (await connect(ws('/ws'))).next()).toBe('still open')
  expect(error).toBeInstanceOf(TypeError)
  expect(error).toMatchObject({ code: 'FST_BLAZE_WS_INVALID_ARGUMENT', message: expect.stringContaining(`"${named}"`) })
})
