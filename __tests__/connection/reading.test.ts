import fc from 'fast-check'
import { CloseError, isCloseError, type WebSocketConnection, type WebSocketMessage } from '../../src/index.ts'
import { clientFrame, RawClient } from '../support/raw-client.ts'
import { closeServers, connect, eventually, startServer } from '../support/server.ts'

afterEach(closeServers)

/** A promise and the function that resolves it. */
function deferred<T = void>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {}
  const promise = new Promise<T>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

test('keeps messages that arrive with the handshake or while the handler awaits something else', async () => {
  const got: string[] = []
  const done = deferred()
  const { port } = await startServer((app) => {
    app.addHook('preHandler', async () => new Promise((resolve) => setTimeout(resolve, 20)))
    app.webSocket('/ws', async (ws) => {
      await new Promise((resolve) => setTimeout(resolve, 50))
      for await (const { data } of ws) got.push(data.toString())
      done.resolve()
    })
  })
  const frames = Array.from({ length: 2_000 }, (_, i) => clientFrame(1, `message ${i}`))
  const client = await new RawClient(port).open('/ws', {}, Buffer.concat(frames.slice(0, 1_000)))
  for (const frame of frames.slice(1_000)) client.socket.write(frame)
  client.socket.write(clientFrame(8, Buffer.from([0x03, 0xe8])))
  await done.promise
  expect(got).toEqual(Array.from({ length: 2_000 }, (_, i) => `message ${i}`))
})

test('messages arrive in order: compressed, fragmented or empty, and read fast or slowly', async () => {
  const message = fc.record({
    text: fc.string({ maxLength: 3_000 }),
    isBinary: fc.boolean(),
    compress: fc.boolean(),
    cut: fc.integer({ min: 0, max: 5 })
  })
  const { ws } = await startServer((app) => {
    app.webSocketWithConfig(
      '/ws',
      async (ws) => {
        for await (const { type, data } of ws) {
          if (data.length % 7 === 0) await new Promise((resolve) => setImmediate(resolve))
          await ws.writeMessage(type, data)
        }
      },
      { readBufferSize: 256, compressionThreshold: 64 }
    )
  })
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 40 }), async (messages) => {
      const client = await connect(ws('/ws'), [], { perMessageDeflate: { threshold: 0 } })
      for (const { text, isBinary, compress, cut } of messages) {
        const bytes = Buffer.from(text)
        const at = Math.min(cut, bytes.length)
        if (cut > 0) client.socket.send(bytes.subarray(0, at), { binary: isBinary, compress, fin: false })
        client.socket.send(bytes.subarray(cut > 0 ? at : 0), { binary: isBinary, compress, fin: true })
      }
      await client.until(() => client.messages.length === messages.length || client.closed !== undefined)
      expect(client.messages).toEqual(
        messages.map(({ text, isBinary }) => ({
          data: Buffer.from(text).toString(isBinary ? 'latin1' : 'utf8'),
          isBinary
        }))
      )
      client.socket.terminate()
    }),
    { numRuns: 30 }
  )
})

test('reads return the messages that had arrived before they report the close', async () => {
  const result = deferred<unknown[]>()
  const { ws } = await startServer((app) => {
    app.webSocketWithConfig(
      '/ws',
      async (ws) => {
        await new Promise((resolve) => ws.signal.addEventListener('abort', resolve))
        const all: unknown[] = []
        for (let i = 0; i < 4; i++)
          all.push(
            await ws.readMessage().then(
              ({ data }) => data.toString(),
              (error: unknown) => error
            )
          )
        result.resolve(all)
      },
      { closeTimeout: 50 }
    )
  })
  const client = await connect(ws('/ws'))
  for (const text of ['one', 'two', 'three']) client.socket.send(text)
  client.socket.close(4_001, 'enough')
  const [one, two, three, error] = await result.promise
  expect([one, two, three]).toEqual(['one', 'two', 'three'])
  expect(error).toBeInstanceOf(CloseError)
  expect(error).toMatchObject({ closeCode: 4_001, reason: 'enough', wasClean: true, code: 'FST_BLAZE_WS_CLOSED' })
})

test('one reader at a time: a second read, even during for await, is refused and does not disturb the first', async () => {
  const codes: unknown[] = []
  const { ws } = await startServer((app) => {
    app.webSocket('/ws', async (ws) => {
      const first = ws.readMessage()
      await ws.readMessage().catch((error: { code: string }) => codes.push(error.code))
      await ws.writeText(`first ${(await first).data.toString()}`)
      setImmediate(() => ws.readMessage().catch((error: { code: string }) => codes.push(error.code)))
      for await (const { data } of ws) await ws.writeText(`loop ${data.toString()}`)
    })
  })
  const client = await connect(ws('/ws'))
  client.socket.send('a')
  expect(await client.next()).toBe('first a')
  await new Promise((resolve) => setImmediate(resolve))
  client.socket.send('b')
  expect(await client.next()).toBe('loop b')
  expect(codes).toEqual(['FST_BLAZE_WS_CONCURRENT_READ', 'FST_BLAZE_WS_CONCURRENT_READ'])
})

test('a second for await is refused while the first one waits', async () => {
  const failed = deferred<unknown>()
  const { ws } = await startServer((app) => {
    app.webSocket('/ws', async (ws) => {
      const drain = async (connection: WebSocketConnection): Promise<void> => {
        for await (const { data } of connection) await connection.writeText(data.toString())
      }
      const first = drain(ws)
      drain(ws).catch(failed.resolve)
      await first
    })
  })
  const client = await connect(ws('/ws'))
  expect(await failed.promise).toMatchObject({ code: 'FST_BLAZE_WS_CONCURRENT_READ' })
  client.socket.send('still here')
  expect(await client.next()).toBe('still here')
})

test('after leaving a for await loop, the next read continues where it stopped', async () => {
  const { ws } = await startServer((app) => {
    app.webSocket('/ws', async (ws) => {
      for await (const { data } of ws) {
        await ws.writeText(`loop ${data.toString()}`)
        break
      }
      await ws.writeText(`read ${(await ws.readMessage()).data.toString()}`)
      for await (const { data } of ws) await ws.writeText(`again ${data.toString()}`)
    })
  })
  const client = await connect(ws('/ws'))
  for (const text of ['1', '2', '3']) client.socket.send(text)
  expect([await client.next(), await client.next(), await client.next()]).toEqual(['loop 1', 'read 2', 'again 3'])
})

test('an aborted read loses no message', async () => {
  const { ws } = await startServer((app) => {
    app.webSocket('/ws', async (ws) => {
      const controller = new AbortController()
      const waiting = ws.readMessage({ signal: controller.signal })
      controller.abort(new Error('no patience'))
      const reason = await waiting.catch((error: Error) => error.message)
      const refused = await ws.readMessage({ signal: controller.signal }).catch((error: Error) => error.message)
      await ws.writeJSON([reason, refused])
      const unused = new AbortController()
      await ws.writeText((await ws.readMessage({ signal: unused.signal })).data.toString())
      await ws.readMessage({ signal: unused.signal }).catch(() => {})
    })
  })
  const client = await connect(ws('/ws'))
  expect(JSON.parse(await client.next())).toEqual(['no patience', 'no patience'])
  client.socket.send('kept')
  expect(await client.next()).toBe('kept')
})

test.each([
  ['{"a":', 'FST_BLAZE_WS_INVALID_JSON'],
  ['', 'FST_BLAZE_WS_INVALID_JSON'],
  ['{"__proto__":{"admin":true}}', 'FST_BLAZE_WS_INVALID_JSON'],
  ['{"constructor":{"prototype":{"admin":true}}}', 'FST_BLAZE_WS_INVALID_JSON']
])('readJSON refuses %s with 1007 in the error, and the connection stays usable', async (text, code) => {
  const { ws } = await startServer((app) => {
    app.webSocket('/ws', async (ws) => {
      const error = await ws.readJSON().catch((reason: { code: string; closeCode: number }) => reason)
      await ws.writeJSON([(error as { code: string }).code, (error as { closeCode: number }).closeCode])
      await ws.writeJSON(await ws.readJSON<{ fine: boolean }>())
    })
  })
  const client = await connect(ws('/ws'))
  client.socket.send(text)
  expect(JSON.parse(await client.next())).toEqual([code, 1007])
  client.socket.send('{"fine":true}')
  expect(JSON.parse(await client.next())).toEqual({ fine: true })
  expect(({} as { admin?: boolean }).admin).toBeUndefined()
})

test('readJSON accepts JSON in a binary message and refuses one that is not UTF-8', async () => {
  const { ws } = await startServer((app) => {
    app.webSocket('/ws', async (ws) => {
      await ws.writeJSON(await ws.readJSON())
      await ws.writeText(
        await ws.readJSON().then(
          () => 'taken',
          (error: Error) => error.message
        )
      )
    })
  })
  const client = await connect(ws('/ws'))
  client.socket.send(Buffer.from('[1]'))
  expect(await client.next()).toBe('[1]')
  client.socket.send(Buffer.from([0x22, 0xff, 0x22]))
  expect(await client.next()).toBe('Message is not valid JSON: it is not UTF-8')
})

test('the socket is paused only for a handler that cannot keep up, and that handler still gets every message', async () => {
  let isSlow = false
  let total = 0
  let pauses = 0
  const { ws } = await startServer((app) => {
    app.webSocket('/ws', async (ws, request) => {
      request.raw.socket.on('pause', () => void pauses++)
      for await (const { data } of ws) {
        total += data.length
        if (isSlow) await new Promise((resolve) => setImmediate(resolve))
        if (data.length === 1) await ws.writeText(`${total}`)
      }
    })
  })
  const client = await connect(ws('/ws'), [], { perMessageDeflate: false })
  const send = (): void => {
    for (let i = 0; i < 200; i++) client.socket.send(Buffer.alloc(10_000))
    client.socket.send(Buffer.alloc(1))
  }
  send()
  expect(await client.next()).toBe('2000001')
  expect(pauses).toBe(0)
  isSlow = true
  send()
  expect(await client.next()).toBe('4000002')
  expect(pauses).toBeGreaterThan(0)
})

test('an unawaited read that fails does not end the process', async () => {
  const unhandled: unknown[] = []
  const note = (reason: unknown): void => void unhandled.push(reason)
  process.on('unhandledRejection', note)
  let connection: WebSocketConnection | undefined
  const { ws } = await startServer((app) => {
    app.webSocket('/ws', async (ws) => {
      connection = ws
      void ws.readMessage()
      await new Promise<void>((resolve) => ws.signal.addEventListener('abort', () => resolve()))
      void ws.readMessage()
      void ws.readJSON()
    })
  })
  const client = await connect(ws('/ws'))
  client.socket.terminate()
  await client.close()
  await new Promise((resolve) => setTimeout(resolve, 20))
  process.off('unhandledRejection', note)
  expect(unhandled).toEqual([])
  expect(isCloseError(await connection?.readMessage().catch((error: unknown) => error), 1006)).toBe(true)
})

test('the iterator can be used by hand', async () => {
  const { ws } = await startServer((app) => {
    app.webSocket('/ws', async (ws) => {
      const messages = ws[Symbol.asyncIterator]()
      const { value } = (await messages.next()) as { value: WebSocketMessage }
      expect(messages[Symbol.asyncIterator]()).toBe(messages)
      await ws.writeText(value.data.toString())
      expect(await messages.return?.()).toEqual({ value: undefined, done: true })
    })
  })
  const client = await connect(ws('/ws'))
  client.socket.send('by hand')
  expect(await client.next()).toBe('by hand')
  expect((await client.close()).code).toBe(1000)
})

test('nothing is parsed ahead of a handler that does not read, even within one chunk', async () => {
  const start = deferred()
  let connection: WebSocketConnection | undefined
  const read: string[] = []
  const { port } = await startServer((app) => {
    app.webSocketWithConfig(
      '/ws',
      async (ws) => {
        connection = ws
        await start.promise
        for await (const { data } of ws) read.push(data.toString())
      },
      { readBufferSize: 1_000 }
    )
  })
  const texts = Array.from({ length: 500 }, (_, i) => `message ${i} ${'.'.repeat(50)}`)
  const frames = texts.map((text) => clientFrame(1, text))
  const client = await new RawClient(port).open('/ws', {}, Buffer.concat(frames))
  await eventually(() => (connection?.session.messagesIn ?? 0) > 0)
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(connection?.session.messagesIn).toBeLessThan(20)
  start.resolve()
  await eventually(() => read.length === texts.length)
  expect(read).toEqual(texts)
  client.socket.destroy()
})
