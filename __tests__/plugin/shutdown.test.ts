import { Agent, type IncomingMessage, request } from 'node:http'
import { EventEmitter, once } from 'node:events'
import Fastify, { type FastifyReply } from 'fastify'
import blazeWs, { isCloseError, type ShutdownOptions, type WebSocketConnection } from '../../src/index.ts'
import { RawClient } from '../support/raw-client.ts'
import { closeServers, connect, eventually, startServer } from '../support/server.ts'

afterEach(closeServers)

const untilGone = (ws: WebSocketConnection): Promise<void> =>
  new Promise((resolve) => ws.signal.addEventListener('abort', () => resolve()))

test('replies to messages in progress go out before the close frame', async () => {
  let replying: () => void = () => {}
  const { app, ws } = await startServer((instance) => {
    instance.webSocket('/ws', async (ws) => {
      for await (const { data } of ws) {
        await new Promise<void>((resolve) => {
          replying = resolve
        })
        await ws.writeText(`reply to ${data.toString()}, ${ws.context().isShuttingDown()}`)
      }
      await ws.writeText('good-bye')
    })
  })
  const client = await connect(ws('/ws'))
  client.socket.send('one')
  client.socket.send('two')
  await eventually(() => replying.length === 1)
  const closing = app.close()
  await new Promise((resolve) => setTimeout(resolve, 20))
  replying()
  expect(await client.next()).toBe('reply to one, true')
  replying()
  expect([await client.next(), await client.next()]).toEqual(['reply to two, true', 'good-bye'])
  expect(await client.close()).toEqual({ code: 1001, reason: 'server shutting down' })
  await closing
})

test('a waiting read rejects with 1001 while the connection still accepts writes', async () => {
  const seen: unknown[] = []
  const { app, ws, logs } = await startServer((instance) => {
    instance.webSocket('/read', async (ws) => {
      const error: unknown = await ws.readMessage().catch((reason: unknown) => reason)
      seen.push(isCloseError(error, 1001), ws.isClosed(), ws.context().shutdownSignal.aborted)
      await ws.writeText('Server is shutting down')
      await ws.close(1000, 'as I like')
    })
    instance.webSocket('/throws', async (ws) => {
      for (;;) await ws.readMessage()
    })
  })
  const [reader, thrower] = [await connect(ws('/read')), await connect(ws('/throws'))]
  await app.close()
  expect(seen).toEqual([true, false, true])
  expect(reader.messages[0]?.data).toBe('Server is shutting down')
  expect(await reader.close()).toEqual({ code: 1000, reason: 'as I like' })
  expect((await thrower.close()).code).toBe(1001)
  expect(logs.filter(({ level }) => level >= 40)).toEqual([])
})

test('uses the code, reason and message of the options, for connections in and outside the hub', async () => {
  const shutdown: ShutdownOptions = { code: 1012, reason: 'restart', message: 'back in a minute', grace: 10 }
  const { app, ws } = await startServer(
    (instance) => {
      instance.webSocket('/hub', (ws) => {
        instance.wsHub.register(ws)
        return untilGone(ws)
      })
      instance.webSocket('/alone', untilGone)
    },
    { shutdown }
  )
  const clients = [await connect(ws('/hub')), await connect(ws('/alone'))]
  await eventually(() => app.wsHub.getClientCount() === 1)
  const running = app.wsHub.run()
  await app.close()
  await running
  for (const client of clients) {
    expect(await client.close()).toEqual({ code: 1012, reason: 'restart' })
    expect(client.messages.map(({ data }) => data)).toEqual(['back in a minute'])
  }
})

test('stops waiting for handlers after grace, and for clients after timeout', async () => {
  const { app, port } = await startServer((instance) => void instance.webSocket('/ws', () => new Promise(() => {})), {
    shutdown: { grace: 50, timeout: 150 }
  })
  const mute = await new RawClient(port).open('/ws')
  const deaf = await new RawClient(port).open('/ws')
  deaf.socket.pause()
  await app.close()
  expect(await mute.closeCode()).toBe(1001)
})

test('a server without connections closes at once, even before it is ready', async () => {
  const { app } = await startServer(() => {})
  await app.close()
  const unused = Fastify()
  unused.register(blazeWs)
  await unused.close()
})

test('new upgrades get 503, even if their hooks are still running', async () => {
  let release: () => void = () => {}
  let opened = 0
  let hasBegun = false
  const { app, port } = await startServer((instance) => {
    instance.webSocket(
      '/slow',
      { preHandler: () => new Promise<void>((resolve) => (release = resolve)) },
      () => void opened++
    )
    instance.webSocket('/ws', (ws) => {
      ws.context().shutdownSignal.addEventListener('abort', () => {
        hasBegun = true
      })
      return untilGone(ws)
    })
  })
  const pending = new RawClient(port)
  pending.handshake('/slow')
  await eventually(() => release.length === 1)
  const open = await new RawClient(port).open('/ws')
  const closing = app.close()
  await eventually(() => hasBegun)
  release()
  expect((await pending.head()).status).toBe(503)
  const late = new RawClient(port)
  late.handshake('/ws')
  expect((await late.head()).status).toBe(503)
  expect(await open.closeCode()).toBe(1001)
  open.socket.destroy()
  await closing
  expect(opened).toBe(0)
})

test('connections that reset during the shutdown do not delay it', async () => {
  const { app, port } = await startServer((instance) => void instance.webSocket('/ws', untilGone), {
    shutdown: { grace: 20 }
  })
  const clients = await Promise.all(Array.from({ length: 30 }, () => new RawClient(port).open('/ws')))
  const closing = app.close()
  for (const [i, client] of clients.entries()) {
    if (i % 2 === 0) client.reset()
    else
      void client.closeCode().then(
        () => client.reset(),
        () => {}
      )
  }
  await closing
})

test('a plain request during the shutdown gets 503 and does not hang', async () => {
  const { app, port } = await startServer((instance) => void instance.webSocket('/ws', untilGone), {
    shutdown: { grace: 50 }
  })
  const client = await connect(`ws://127.0.0.1:${port}/ws`)
  const closing = app.close()
  await new Promise((resolve) => setTimeout(resolve, 10))
  const sent = request({ port, host: '127.0.0.1', path: '/ws' }).end()
  const [response] = (await once(sent, 'response')) as [{ statusCode: number; resume(): void }]
  response.resume()
  expect(response.statusCode).toBe(503)
  await client.close()
  await closing
})

test('a connection whose last request ends during the shutdown is not kept for a next one', async () => {
  const started = new EventEmitter()
  const { app, http } = await startServer((instance) => {
    instance.get('/slow', (_request, reply) => void started.emit('request', reply))
  })
  const agent = new Agent({ keepAlive: true })
  const sent = request(http('/slow'), { agent }).end()
  const [reply] = (await once(started, 'request')) as [FastifyReply]
  const closing = app.close()
  await eventually(() => !app.server.listening)
  void reply.send('done')
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  expect(response.resume().statusCode).toBe(200)
  await closing
  agent.destroy()
})
