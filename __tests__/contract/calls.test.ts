import type { ContractConnection } from '../../src/index.ts'
import { closeServers, eventually, startServer, type TestClient, type TestServer } from '../support/server.ts'
import { answerTo, call, event, frame, gate, next, openBlaze, openPlain, restOf, send, talk } from './support.ts'

/*
 * The order of events and calls, and what becomes of calls and asks when the server closes.
 */

type Ws = ContractConnection<typeof talk>

interface Route {
  server: TestServer
  client: TestClient
  /** What has begun and ended, in order. */
  log: string[]
  /** Lets the call with this text answer. */
  finish(text: string): void
  started: Promise<Ws>
}

afterEach(closeServers)

/** A route whose calls `echo` wait for `finish`, and whose handler writes its events down. */
async function start(concurrency?: number, open = openPlain, shutdown = {}): Promise<Route> {
  const log: string[] = []
  const gates = new Map<string, () => void>()
  const started = gate<Ws>()
  const handler = async (ws: Ws): Promise<void> => {
    started.open(ws)
    for await (const { type } of ws) log.push(type)
  }
  const server = await startServer(
    (app) => {
      app.webSocketWithContract('/talk', talk, handler, {
        ...(concurrency !== undefined && { concurrency }),
        calls: {
          async echo(input, _ws, { signal }) {
            const { promise, open: finish } = gate()
            gates.set(input.text, finish)
            log.push(`+${input.text}`)
            signal.addEventListener('abort', () => log.push(`aborted ${input.text}`))
            await promise
            log.push(`-${input.text}`)
            return input
          },
          rename: ({ text }, _ws, { fail }) => {
            throw fail('taken', text)
          },
          nothing: () => undefined
        }
      })
    },
    { shutdown }
  )
  const client = await open(server.ws('/talk'))
  return { server, client, log, finish: (text) => gates.get(text)?.(), started: started.promise }
}

const echo = (text: string): object => call(text, 'echo', { text })
const echoed = (text: string): object => frame({ id: text, result: { text } })

describe.each([
  ['without a subprotocol', openPlain],
  ['with blaze.v1', openBlaze]
])('a client %s', (_, open) => {
  test('has its events and calls handled one at a time, in the order they came', async () => {
    const { client, log, finish } = await start(undefined, open)
    for (const value of [echo('a'), event('leave'), echo('b'), event('leave')]) send(client, value)
    await eventually(() => log.length === 1)
    finish('a')
    expect(await next(client)).toEqual(echoed('a'))
    await eventually(() => log.length === 4)
    finish('b')
    expect(await next(client)).toEqual(echoed('b'))
    await eventually(() => log.length === 6)
    expect(log).toEqual(['+a', '-a', 'leave', '+b', '-b', 'leave'])
  })

  test('has up to three calls at once with concurrency 3', async () => {
    const { client, log, finish } = await start(3, open)
    for (const text of ['a', 'b', 'c', 'd']) send(client, echo(text))
    await eventually(() => log.length === 3)
    finish('b')
    expect(await next(client)).toEqual(echoed('b'))
    await eventually(() => log.length === 5)
    expect(log).toEqual(['+a', '+b', '+c', '-b', '+d'])
    for (const text of ['d', 'a', 'c']) {
      finish(text)
      expect(await next(client)).toEqual(echoed(text))
    }
  })

  test('has the calls of a batch at once with concurrency 3, and gets one answer', async () => {
    const { client, log, finish } = await start(3, open)
    send(client, [echo('a'), echo('b')])
    await eventually(() => log.length === 2)
    finish('b')
    finish('a')
    expect(await next(client)).toEqual(expect.arrayContaining([echoed('a'), echoed('b')]))
  })

  test('gets the answers of running calls when the server closes, within the grace', async () => {
    const { server, client, log, finish } = await start(2, open)
    send(client, echo('a'))
    send(client, echo('b'))
    await eventually(() => log.length === 2)
    const closed = server.app.close()
    finish('a')
    finish('b')
    expect(await next(client)).toEqual(echoed('a'))
    expect(await next(client)).toEqual(echoed('b'))
    await closed
    expect(client.closed?.code).toBe(1001)
  })

  test('gets no answer of a call that outlives the grace', async () => {
    const { server, client, log, finish } = await start(1, open, { grace: 50 })
    send(client, echo('a'))
    await eventually(() => log.length === 1)
    await server.app.close()
    expect(await restOf(client)).toEqual(open === openBlaze ? [event('rpc.goodbye', { reconnect: true })] : [])
    expect(client.closed?.code).toBe(1001)
    expect(log).toEqual(['+a', 'aborted a'])
    finish('a')
  })

  test('has its asks rejected with CLOSED at once when the server closes', async () => {
    const { server, client, started } = await start(1, open, { grace: 60_000, timeout: 60_000 })
    const ws = await started
    const asked = ws.ask('confirm', { text: 'x' })
    await next(client)
    const closed = server.app.close()
    await expect(asked).rejects.toMatchObject({ name: 'AskError', code: 'CLOSED' })
    await expect(ws.ask('confirm', { text: 'x' })).rejects.toMatchObject({ code: 'CLOSED' })
    await closed
  })
})

test('the signal of a call is aborted when the client goes', async () => {
  const { client, log, finish } = await start()
  send(client, echo('a'))
  await eventually(() => log.length === 1)
  client.socket.terminate()
  await eventually(() => log.includes('aborted a'))
  finish('a')
})

test('a message of an error is the one of fail', async () => {
  const { client } = await start()
  expect(await answerTo(client, call(1, 'rename', { text: 'no' }))).toMatchObject({ error: { message: 'no' } })
})

test('an answer that does not fit is an internal error, and is logged', async () => {
  const server = await startServer((app) => {
    app.webSocketWithContract('/talk', talk, async (ws) => void (await ws.receive()), {
      calls: { echo: () => ({ text: 'far too long' }), rename: () => {}, nothing: () => undefined }
    })
  })
  const client = await openPlain(server.ws('/talk'))
  expect(await answerTo(client, echo('a'))).toMatchObject({ error: { code: -32_603, message: 'internal error' } })
  expect(server.logs.find(({ level }) => level === 50)).toMatchObject({ call: 'echo' })
})
