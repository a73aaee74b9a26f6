import { execFile, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { WebSocketConnection } from '../../src/index.ts'
import { closeServers, eventually, startServer } from '../support/server.ts'

afterEach(closeServers)

const run = promisify(execFile)

const echo = async (ws: WebSocketConnection): Promise<void> => {
  for await (const { type, data } of ws) await ws.writeMessage(type, data)
}

const python = ['python3', '/usr/bin/python3'].find(
  (command) => spawnSync(command, ['-c', 'import websockets']).status === 0
)
const describePython = python === undefined ? describe.skip : describe

describePython("Python's websockets (skipped where it is missing: apt-get install python3-websockets)", () => {
  const script = join(__dirname, '..', 'support', 'echo_client.py')
  const client = async (scenario: string, url: string): Promise<Record<string, unknown>> => {
    const { stdout } = await run(python as string, [script, scenario, url], { timeout: 25_000 })
    return JSON.parse(stdout) as Record<string, unknown>
  }

  test.each([
    ['echo', ['permessage-deflate']],
    ['echo-plain', []]
  ])('%s: text, binary, 1 MiB, fragments, ping and close code', async (scenario, extensions) => {
    let connection: WebSocketConnection | undefined
    const { ws } = await startServer((app) => {
      app.webSocket('/ws', async (ws) => {
        connection = ws
        await echo(ws)
      })
    })
    expect(await client(scenario, ws('/ws'))).toEqual({
      text: 'grüß dich 😀',
      binary: true,
      long: true,
      fragmented: 'fragmented',
      empty: '',
      pong: true,
      extensions,
      code: 4001,
      reason: 'that is all'
    })
    await eventually(() => connection?.closeInfo !== undefined, 'our side to be closed')
    expect(connection?.closeInfo).toEqual({ code: 4001, reason: 'that is all', wasClean: true })
    expect(connection?.userAgent()).toContain('Python')
  })

  test('compression is switched off by compressionLevel 0', async () => {
    const { ws } = await startServer((app) => {
      app.webSocketWithConfig('/ws', echo, { compressionLevel: 0 })
    })
    expect(await client('echo', ws('/ws'))).toMatchObject({ extensions: [], long: true })
  })

  test("the server's close codes and reasons arrive", async () => {
    const { ws } = await startServer((app) => {
      app.webSocket('/own', (ws) => ws.close(4002, 'geschlossen – tschüß'))
      app.webSocket('/done', () => {})
      app.webSocket('/fails', () => {
        throw new Error('x')
      })
    })
    expect(await client('closed', ws('/own'))).toEqual({ code: 4002, reason: 'geschlossen – tschüß' })
    expect(await client('closed', ws('/done'))).toEqual({ code: 1000, reason: 'handler returned' })
    expect(await client('closed', ws('/fails'))).toMatchObject({ code: 1011 })
  })

  test("the server's pings are answered", async () => {
    const { ws } = await startServer((app) => {
      app.webSocketWithConfig(
        '/ws',
        async (ws) => {
          let pongs = 0
          ws.socket.on('pong', () => pongs++)
          await eventually(() => pongs >= 3, 'three pongs')
          await ws.close(4000, 'answered')
        },
        { pingInterval: 50, pongTimeout: 5_000 }
      )
    })
    expect(await client('closed', ws('/ws'))).toEqual({ code: 4000, reason: 'answered' })
  })

  test('a subprotocol is negotiated, and a refusal reaches the client', async () => {
    const { ws } = await startServer((app) => {
      app.webSocketWithConfig('/ws', () => {}, { subprotocols: ['v2', 'v1'] })
      app.webSocket('/secret', () => {}, { preHandler: async (_request, reply) => reply.code(401).send() })
    })
    expect(await client('subprotocol', ws('/ws'))).toEqual({ protocol: 'v2' })
    expect(await client('refused', ws('/secret'))).toEqual({ status: 401 })
    expect(await client('refused', ws('/nowhere'))).toEqual({ status: 404 })
  })
})

const hasCurl = spawnSync('curl', ['--version']).status === 0
const describeCurl = hasCurl ? describe : describe.skip

describeCurl('curl (skipped where it is missing: apt-get install curl)', () => {
  const curl = async (...args: string[]): Promise<{ status: number; head: string; body: string }> => {
    const { stdout } = await run('curl', ['--silent', '--include', '--max-time', '20', ...args])
    const [head = '', body = ''] = stdout.split('\r\n\r\n', 2)
    return { status: Number(head.split(' ')[1]), head: head.toLowerCase(), body }
  }
  const UPGRADE = [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='
  ].flatMap((header) => ['--header', header])

  test('a plain GET or HEAD gets 426', async () => {
    const { http } = await startServer((app) => {
      app.webSocket('/ws', echo)
    })
    const { status, head, body } = await curl(http('/ws'))
    expect(status).toBe(426)
    expect(head).toContain('upgrade: websocket')
    expect(head).toContain('connection: upgrade')
    expect(JSON.parse(body)).toMatchObject({ statusCode: 426 })
    expect((await curl('--head', http('/ws'))).status).toBe(426)
  })

  test('401 and 403 are complete replies, and end the connection', async () => {
    const { http } = await startServer((app) => {
      app.webSocket('/token', echo, {
        preHandler: async (_request, reply) =>
          reply.code(401).header('www-authenticate', 'Bearer').send({ error: 'token' })
      })
      app.webSocketWithConfig('/origin', echo, { checkOrigin: () => false })
    })
    const unauthorized = await curl(...UPGRADE, http('/token'))
    expect(unauthorized.status).toBe(401)
    expect(unauthorized.head).toContain('www-authenticate: bearer')
    expect(JSON.parse(unauthorized.body)).toEqual({ error: 'token' })
    const forbidden = await curl(...UPGRADE, '--header', 'Origin: https://evil.example', http('/origin'))
    expect(forbidden.status).toBe(403)
    expect(JSON.parse(forbidden.body)).toMatchObject({ statusCode: 403, code: 'FST_BLAZE_WS_ORIGIN_FORBIDDEN' })
  })

  test('a request after a 426 reuses the connection', async () => {
    const { http } = await startServer((app) => {
      app.webSocket('/ws', echo)
      app.get('/http', async () => 'ok')
    })
    const { stdout } = await run('curl', [
      '--silent',
      '--output',
      '/dev/null',
      '--write-out',
      '%{http_code} %{num_connects}\n',
      http('/ws'),
      '--next',
      '--silent',
      '--output',
      '/dev/null',
      '--write-out',
      '%{http_code} %{num_connects}\n',
      http('/http')
    ])
    expect(stdout).toBe('426 1\n200 0\n')
  })
})
