import type { FastifyRequest } from 'fastify'
import { allowOrigins, sameOrigin, type WebSocketConfig } from '../../src/index.ts'
import {
  closeServers,
  connect,
  type LogLine,
  startServer,
  type TestServer,
  type TestServerOptions
} from '../support/server.ts'

afterEach(closeServers)

function serve(checkOrigin: WebSocketConfig['checkOrigin'], options?: TestServerOptions): Promise<TestServer> {
  return startServer((app) => {
    app.webSocketWithConfig('/ws', async (ws) => void (await ws.readMessage()), { checkOrigin })
  }, options)
}

/** The status of a handshake with this Origin header, which is omitted if undefined. */
async function status({ ws }: TestServer, origin?: string, headers: Record<string, string> = {}): Promise<number> {
  try {
    const client = await connect(ws('/ws'), [], { headers: { ...headers, ...(origin !== undefined && { origin }) } })
    client.socket.terminate()
    return 101
  } catch (error) {
    return Number(/Unexpected server response: (\d+)/.exec((error as Error).message)?.[1])
  }
}

describe('checkOrigin', () => {
  test('false answers 403 before the upgrade, and the handler does not run', async () => {
    const handler = jest.fn()
    const { ws } = await startServer((app) => {
      app.webSocketWithConfig('/ws', handler, { checkOrigin: () => false })
    })
    await expect(connect(ws('/ws'))).rejects.toThrow('403')
    expect(handler).not.toHaveBeenCalled()
  })

  test('gets the request after the hooks, and may be asynchronous', async () => {
    const server = await startServer((app) => {
      app.decorateRequest('tenant', '')
      app.addHook('preHandler', async (request) => void ((request as unknown as { tenant: string }).tenant = 'acme'))
      app.webSocketWithConfig('/ws', async (ws) => void (await ws.readMessage()), {
        checkOrigin: async (request: FastifyRequest) => {
          await new Promise(setImmediate)
          return request.headers.origin === `https://${(request as unknown as { tenant: string }).tenant}.example.com`
        }
      })
    })
    expect(await status(server, 'https://acme.example.com')).toBe(101)
    expect(await status(server, 'https://evil.example.com')).toBe(403)
  })

  test('gives 500 if it throws or rejects', async () => {
    const throws = await serve(() => {
      throw new Error('no')
    })
    const rejects = await serve(async () => {
      throw new Error('no')
    })
    expect(await status(throws)).toBe(500)
    expect(await status(rejects)).toBe(500)
  })

  test.each([undefined, null, 1, 'true', {}])('gives 403 if it returns %p instead of true', async (answer) => {
    expect(await status(await serve(() => answer as never))).toBe(403)
  })

  test('by default allows every origin, and clients without one', async () => {
    const server = await startServer((app) => {
      app.webSocket('/ws', async (ws) => void (await ws.readMessage()))
    })
    for (const origin of [undefined, 'https://anything.example', 'null']) expect(await status(server, origin)).toBe(101)
  })
})

describe('sameOrigin()', () => {
  test('allows exactly the host that the request was sent to', async () => {
    const server = await serve(sameOrigin())
    const { port } = server
    expect(await status(server, `http://127.0.0.1:${port}`)).toBe(101)
    expect(await status(server)).toBe(101)
    for (const origin of [
      `https://127.0.0.1:${port}`,
      'http://127.0.0.1',
      `http://127.0.0.1:${port + 1}`,
      `http://localhost:${port}`,
      `http://127.0.0.1:${port}.evil.example`,
      `http://127.0.0.1:${port}@evil.example`,
      `http://evil.example/127.0.0.1:${port}`,
      `http://127.0.0.1:${port}/path`,
      'null',
      '',
      'garbage',
      'file://'
    ])
      expect([origin, await status(server, origin)]).toEqual([origin, 403])
  })

  test('ignores case, and treats the default port as omitted', async () => {
    const server = await serve(sameOrigin())
    expect(await status(server, 'HTTP://Example.COM', { host: 'example.com' })).toBe(101)
    expect(await status(server, 'http://example.com:80', { host: 'example.com' })).toBe(101)
    expect(await status(server, 'http://example.com', { host: 'example.com:80' })).toBe(101)
    expect(await status(server, 'http://example.com:8080', { host: 'example.com' })).toBe(403)
  })

  test('behind a proxy compares with the forwarded scheme and host, but only with trustProxy', async () => {
    const forwarded = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'chat.example.com' }
    const trusting = await serve(sameOrigin(), { fastify: { trustProxy: true } })
    expect(await status(trusting, 'https://chat.example.com', forwarded)).toBe(101)
    expect(await status(trusting, 'http://chat.example.com', forwarded)).toBe(403)
    const untrusting = await serve(sameOrigin())
    expect(await status(untrusting, 'https://chat.example.com', forwarded)).toBe(403)
  })
})

describe('allowOrigins()', () => {
  const allowed = [
    'https://example.com',
    'http://localhost:3000',
    'https://*.example.org',
    'https://*.example.net:8443',
    'capacitor://localhost'
  ]

  test.each<[string | undefined, number]>([
    ['https://example.com', 101],
    ['https://example.com:443', 101],
    ['https://EXAMPLE.com', 101],
    ['http://localhost:3000', 101],
    [undefined, 101],
    ['http://example.com', 403],
    ['https://example.com:8443', 403],
    ['https://example.com.', 403],
    ['https://www.example.com', 403],
    ['https://example.com.evil.example', 403],
    ['https://evilexample.com', 403],
    ['https://example.com@evil.example', 403],
    ['https://evil.example#https://example.com', 403],
    ['https://example.com/', 403],
    ['https://example.com, https://evil.example', 403],
    ['http://localhost', 403],
    ['http://localhost:30000', 403],
    ['null', 403],
    ['', 403],
    ['*', 403]
  ])('%s: %i', async (origin, expected) => {
    const server = await serve(allowOrigins(allowed.filter((entry) => !entry.startsWith('capacitor'))))
    expect(await status(server, origin)).toBe(expected)
  })

  test.each<[string, number]>([
    ['https://a.example.org', 101],
    ['https://a.b.example.org', 101],
    ['https://A.Example.ORG', 101],
    ['https://a.example.net:8443', 101],
    ['https://example.org', 403],
    ['https://.example.org', 403],
    ['http://a.example.org', 403],
    ['https://a.example.org:8443', 403],
    ['https://a.example.net', 403],
    ['https://evil-example.org', 403],
    ['https://a.example.org.evil.example', 403],
    ['https://evil.example/.example.org', 403],
    ['https://evil.example?.example.org', 403],
    [String.raw`https://evil.example\.example.org`, 403],
    ['https://*.example.org', 403]
  ])('with a wildcard, %s: %i', async (origin, expected) => {
    const server = await serve(allowOrigins(['https://*.example.org', 'https://*.example.net:8443']))
    expect(await status(server, origin)).toBe(expected)
  })

  test('an empty list allows no origin', async () => {
    const server = await serve(allowOrigins([]))
    expect(await status(server, 'https://example.com')).toBe(403)
  })

  test('the list is copied', async () => {
    const origins = ['https://example.com']
    const server = await serve(allowOrigins(origins))
    origins.push('https://later.example')
    expect(await status(server, 'https://later.example')).toBe(403)
  })

  test.each([
    'example.com',
    '*',
    'https://',
    'https://*',
    'https://example.com/',
    'https://example.com/path',
    'https://user@example.com',
    'https://a.*.example.com',
    'https://*example.com',
    'null',
    '',
    42,
    null,
    undefined,
    /example/
  ])('throws at once for the invalid entry %p, and names the option', (entry) => {
    expect(() => allowOrigins([entry as string])).toThrow(
      expect.objectContaining({ code: 'FST_BLAZE_WS_INVALID_OPTION', message: expect.stringContaining('origins') })
    )
  })

  test.each([undefined, 'https://example.com', {}])('throws at once if the list is not an array (%p)', (origins) => {
    expect(() => allowOrigins(origins as never)).toThrow(
      expect.objectContaining({ code: 'FST_BLAZE_WS_INVALID_OPTION' })
    )
  })
})

describe('logs a refusal', () => {
  const refusals = ({ logs }: TestServer): LogLine[] =>
    logs.filter(({ msg }) => msg.startsWith('websocket refused with 403'))

  test('by allowOrigins, with the origin and the list', async () => {
    const allowed = ['https://example.com', 'https://*.example.org']
    const server = await serve(allowOrigins(allowed))
    await status(server, 'https://evil.example')
    await status(server, 'null')
    await status(server, 'https://example.com')
    expect(refusals(server)).toMatchObject([
      { level: 30, origin: 'https://evil.example', allowed },
      { origin: 'null', allowed }
    ])
    expect(refusals(server)[0]).toHaveProperty('reqId')
  })

  test('by sameOrigin, with the origin of the server', async () => {
    const server = await serve(sameOrigin())
    await status(server, 'https://evil.example')
    await status(server, `http://127.0.0.1:${server.port}`)
    expect(refusals(server)).toMatchObject([
      { origin: 'https://evil.example', expected: `http://127.0.0.1:${server.port}` }
    ])
    expect(refusals(server)[0]).not.toHaveProperty('hint')
  })

  test.each<[string, WebSocketConfig['checkOrigin'], string]>([
    ['returns undefined', () => undefined as never, 'undefined'],
    ['resolves with undefined', async () => undefined as never, 'undefined'],
    ['returns another check', () => sameOrigin() as never, 'a function']
  ])('by a check that %s, with a hint', async (_, check, answer) => {
    const server = await serve(check)
    await status(server, 'https://example.com')
    expect(refusals(server)).toMatchObject([
      { origin: 'https://example.com', hint: `checkOrigin must return true or false, got ${answer}` }
    ])
  })

  test('by a check that returns false, without a hint', async () => {
    const server = await serve(() => false)
    await status(server, 'https://example.com')
    expect(refusals(server)[0]).not.toHaveProperty('hint')
  })

  test.each<[string, Record<string, string>]>([
    ['X-Forwarded-Host', { 'x-forwarded-host': 'chat.example.com' }],
    ['X-Forwarded-Proto', { 'x-forwarded-proto': 'https', host: 'chat.example.com' }],
    ['Forwarded', { forwarded: 'host=chat.example.com;proto=https' }]
  ])('by sameOrigin behind a proxy that sends %s, with a hint about trustProxy', async (_, headers) => {
    const server = await serve(sameOrigin())
    expect(await status(server, 'https://chat.example.com', headers)).toBe(403)
    expect(refusals(server)).toMatchObject([
      { origin: 'https://chat.example.com', hint: expect.stringContaining('trustProxy is off') }
    ])
    const distrusting = await serve(sameOrigin(), { fastify: { trustProxy: '10.0.0.1' } })
    expect(await status(distrusting, 'https://chat.example.com', headers)).toBe(403)
    expect(refusals(distrusting)).toMatchObject([{ hint: expect.stringMatching(/look at trustProxy/) }])
    expect(await status(distrusting, 'https://chat.example.com')).toBe(403)
    expect(refusals(distrusting)[1]).not.toHaveProperty('hint')
  })

  test.each<[string, WebSocketConfig['checkOrigin']]>([
    ['that returns false', () => false],
    ['that resolves with false', async () => false],
    ['that returns a string', () => 'yes' as never]
  ])('by an application check %s', async (_, checkOrigin) => {
    const server = await serve(checkOrigin)
    await status(server, 'https://evil.example')
    await status(server)
    expect(refusals(server)).toHaveLength(2)
    expect(refusals(server)[0]).toMatchObject({ origin: 'https://evil.example' })
    expect(refusals(server)[1]).not.toHaveProperty('origin')
  })

  test('once if the application wraps one of our checks, and not at all if its own check allows the origin', async () => {
    const own = sameOrigin()
    const server = await serve((request) => own(request) || request.headers['x-app'] === 'yes', {
      config: { checkOrigin: () => false }
    })
    expect(await status(server, 'https://evil.example', { 'x-app': 'yes' })).toBe(101)
    expect(await status(server, 'https://evil.example')).toBe(403)
    expect(refusals(server)).toHaveLength(1)
  })

  test("on all routes that use the plugin's check", async () => {
    const server = await startServer(
      (app) => {
        app.webSocket('/ws', () => {})
        app.webSocketWithConfig('/other', () => {}, { maxMessageSize: 5 })
      },
      { config: { checkOrigin: allowOrigins([]) } }
    )
    await status(server, 'https://evil.example')
    await connect(server.ws('/other'), [], { origin: 'https://evil.example' }).catch(() => {})
    expect(refusals(server)).toMatchObject([{ allowed: [] }, { allowed: [] }])
  })

  test('in a single line of limited length', async () => {
    const server = await serve(allowOrigins(Array.from({ length: 500 }, (_, i) => `https://host${i}.example`)))
    await status(server, `https://${'x'.repeat(5_000)}`)
    const [line] = refusals(server)
    expect(line).toMatchObject({ more: 480 })
    expect(line?.['allowed']).toHaveLength(20)
    expect(JSON.stringify(line).length).toBeLessThan(2_000)
    const same = await serve(sameOrigin())
    await status(same, 'https://evil.example', { host: 'x'.repeat(5_000) })
    expect(JSON.stringify(refusals(same)[0]).length).toBeLessThan(1_000)
  })
})
