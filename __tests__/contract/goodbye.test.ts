import type { ContractConnection } from '../../src/index.ts'
import { closeServers, startServer, type TestClient, type TestServer } from '../support/server.ts'
import { answerTo, call, event, gate, openBlaze, openPlain, openSilent, restOf, send, talk } from './support.ts'

/*
 * `rpc.goodbye` tells a client with the subprotocol whether to come back.
 */

type Ws = ContractConnection<typeof talk>
interface Ending {
  code: number
  /** Whether the client is told to come back. */
  reconnect: boolean
  /** What makes the server close. */
  by: (end: { ws: Ws; client: TestClient; server: TestServer }) => unknown
  webSocket?: object
  /** Closes when the promise settles, instead of reading events. */
  handler?: (ws: Ws) => Promise<void>
}

const calls = { echo: async (input: { text: string }) => input, rename: () => {}, nothing: () => undefined }
type RawSocket = { _socket: { write(bytes: Buffer): void } }

/** Sends bytes as they are: a masked frame with the mask 0 is its payload. */
function sendRaw(client: TestClient, ...bytes: number[]): void {
  ;(client.socket as unknown as RawSocket)._socket.write(Buffer.from(bytes))
}

const readAll = async (ws: Ws): Promise<void> => {
  for await (const _ of ws);
}

const endings: Record<string, Ending> = {
  'app.close()': { code: 1001, reconnect: true, by: ({ server }) => server.app.close() },
  'ws.close()': { code: 1000, reconnect: false, by: ({ ws }) => ws.close() },
  'ws.close(1000)': { code: 1000, reconnect: false, by: ({ ws }) => ws.close(1000) },
  'ws.close(1008)': { code: 1008, reconnect: false, by: ({ ws }) => ws.close(1008) },
  'ws.close(1011)': { code: 1011, reconnect: true, by: ({ ws }) => ws.close(1011) },
  'ws.close(1012)': { code: 1012, reconnect: true, by: ({ ws }) => ws.close(1012) },
  'ws.close(3000)': { code: 3000, reconnect: true, by: ({ ws }) => ws.close(3000) },
  'ws.close(4000)': { code: 4000, reconnect: true, by: ({ ws }) => ws.close(4000) },
  'ws.close(4399)': { code: 4399, reconnect: true, by: ({ ws }) => ws.close(4399) },
  'ws.close(4400)': { code: 4400, reconnect: false, by: ({ ws }) => ws.close(4400) },
  'ws.close(4401)': { code: 4401, reconnect: true, by: ({ ws }) => ws.close(4401) },
  'ws.close(4403)': { code: 4403, reconnect: false, by: ({ ws }) => ws.close(4403) },
  'ws.close(4499)': { code: 4499, reconnect: false, by: ({ ws }) => ws.close(4499) },
  'ws.close(4500)': { code: 4500, reconnect: true, by: ({ ws }) => ws.close(4500) },
  'ws.expireAt()': { code: 4401, reconnect: true, by: ({ ws }) => ws.expireAt(Date.now()) },
  'hub.disconnect()': {
    code: 4403,
    reconnect: false,
    by({ ws, server }) {
      server.app.wsHub.register(ws)
      server.app.wsHub.disconnect(ws.id, 4403)
    }
  },
  'hub.shutdown()': {
    code: 1001,
    reconnect: true,
    by({ ws, server }) {
      server.app.wsHub.register(ws)
      return server.app.wsHub.shutdown(1_000)
    }
  },
  'a handler that returns': {
    code: 1000,
    reconnect: false,
    by: ({ client }) => send(client, event('leave')),
    handler: async (ws) => void (await ws.receive())
  },
  'a handler that throws': {
    code: 1011,
    reconnect: true,
    by: ({ client }) => send(client, event('leave')),
    async handler(ws) {
      await ws.receive()
      throw new Error('a bug')
    }
  },
  'a binary frame': { code: 1003, reconnect: false, by: ({ client }) => client.socket.send(Buffer.from('x')) },
  'a second hello': { code: 1008, reconnect: false, by: ({ client }) => send(client, call(1, 'rpc.hello')) },
  'a frame with a reserved bit': {
    code: 1002,
    reconnect: false,
    by: ({ client }) => sendRaw(client, 0xf1, 0x80, 0, 0, 0, 0)
  },
  'text that is not UTF-8': {
    code: 1007,
    reconnect: false,
    by: ({ client }) => sendRaw(client, 0x81, 0x81, 0, 0, 0, 0, 0xff)
  },
  'a message that is too big': {
    code: 1009,
    reconnect: false,
    webSocket: { maxMessageSize: 1_000 },
    by: ({ client }) => send(client, event('say', { text: 'x'.repeat(1_000) }))
  },
  'too many messages': {
    code: 1008,
    reconnect: false,
    webSocket: { rateLimit: { messages: 1, burst: 2, onLimit: 'close' } },
    by({ client }) {
      for (let n = 0; n < 4; n++) send(client, event('leave'))
    }
  }
}

/** Starts a server, connects a client, and makes the server close. */
async function end(open: typeof openPlain, { by, webSocket = {}, handler = readAll }: Ending): Promise<TestClient> {
  const started = gate<Ws>()
  const server = await startServer((app) => {
    const run = (ws: Ws): Promise<void> => {
      started.open(ws)
      return handler(ws)
    }
    app.webSocketWithContract('/talk', talk, run, { calls, webSocket })
  })
  const client = await open(server.ws('/talk'))
  await by({ ws: await started.promise, client, server })
  await client.close()
  return client
}

afterEach(closeServers)

describe.each(Object.entries(endings))('%s', (_, ending) => {
  test(`says goodbye with reconnect: ${ending.reconnect}, then closes with ${ending.code}`, async () => {
    const client = await end(openBlaze, ending)
    expect(await restOf(client)).toEqual([event('rpc.goodbye', { reconnect: ending.reconnect })])
    expect(client.closed?.code).toBe(ending.code)
  })
})

test('other clients get no goodbye', async () => {
  const client = await end(openPlain, endings['ws.close(4000)'] as Ending)
  expect(await restOf(client)).toEqual([])
})

test('a client that closes first gets no goodbye', async () => {
  const client = await end(openBlaze, { code: 1000, reconnect: false, by: ({ client }) => client.socket.close(1000) })
  expect(await restOf(client)).toEqual([])
  expect(client.closed?.code).toBe(1000)
})

test('a silent client is told to come back, although its connection is closed with 1008', async () => {
  const ending = { code: 1008, reconnect: true, by: () => {}, webSocket: { readTimeout: 100, pingInterval: 0 } }
  const client = await end(openBlaze, ending)
  expect((await restOf(client)).at(-1)).toEqual(event('rpc.goodbye', { reconnect: true }))
})

test('a server that shuts down says goodbye to a client that has not said hello', async () => {
  const server = await startServer((app) => {
    app.webSocketWithContract('/talk', talk, readAll, { calls })
  })
  const client = await openSilent(server.ws('/talk'))
  await server.app.close()
  expect(await restOf(client)).toEqual([event('rpc.goodbye', { reconnect: true })])
  expect(client.closed?.code).toBe(1001)
})

test('a slow consumer is told to come back, and closed with 1013', async () => {
  const started = gate<Ws>()
  const server = await startServer((app) => {
    const run = (ws: Ws): Promise<void> => {
      app.wsHub.register(ws)
      started.open(ws)
      return readAll(ws)
    }
    app.webSocketWithContract('/talk', talk, run, {
      calls,
      webSocket: { sendQueueSize: 4, compressionLevel: 0, slowConsumer: 'disconnect' }
    })
  })
  const client = await openBlaze(server.ws('/talk'))
  const ws = await started.promise
  client.socket.pause()
  while (!ws.isClosed()) {
    server.app.wsHub.broadcast(talk, 'said', { text: 'x' })
    await new Promise(setImmediate)
  }
  client.socket.resume()
  expect((await restOf(client)).at(-1)).toEqual(event('rpc.goodbye', { reconnect: true }))
  expect(client.closed?.code).toBe(1013)
})

test('goodbye comes after everything that was sent before', async () => {
  const client = await end(openBlaze, {
    code: 1000,
    reconnect: false,
    by({ ws }) {
      void ws.send('said', { text: 'first' })
      return ws.close()
    }
  })
  expect(await restOf(client)).toMatchObject([{ method: 'said' }, { method: 'rpc.goodbye' }])
})

test('nothing is answered after goodbye', async () => {
  const client = await end(openBlaze, {
    code: 1000,
    reconnect: false,
    async by({ ws, client }) {
      await answerTo(client, call(1, 'nothing'))
      void ws.close()
      send(client, call(2, 'nothing'))
    }
  })
  expect(await restOf(client)).toMatchObject([{ method: 'rpc.goodbye' }])
})
