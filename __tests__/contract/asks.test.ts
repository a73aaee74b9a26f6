import { defineContract } from '../../src/contract.ts'
import type { AskOptions, ContractConnection } from '../../src/index.ts'
import { closeServers, eventually, startServer, type TestClient } from '../support/server.ts'
import { answerTo, call, event, frame, gate, later, next, openBlaze, openPlain, send, talk } from './support.ts'

/*
 * Asks: the server asks, and the client answers.
 */

type Ws = ContractConnection<typeof talk>
type Asking = { ws: Ws; client: TestClient }

const said = { text: 'sure?' }
const ask = (ws: Ws, options?: AskOptions): Promise<unknown> => ws.ask('confirm', said, options)
const yes = (id: unknown): object => frame({ id, result: { text: 'yes' } })

afterEach(closeServers)

/** A connection whose handler reads its events and does nothing with them. */
async function connected(open: typeof openPlain = openPlain): Promise<Asking> {
  const started = gate<Ws>()
  const client = await served(async (ws) => {
    started.open(ws)
    for await (const _ of ws);
  }, open)
  return { ws: await started.promise, client }
}

/** A client of a route with this handler. A call `echo` asks, and answers with the answer. */
async function served(handler: (ws: Ws) => Promise<void>, open: typeof openPlain = openPlain): Promise<TestClient> {
  const server = await startServer((app) => {
    app.webSocketWithContract('/talk', talk, handler, {
      calls: { echo: (input, ws) => ws.ask('confirm', input), rename: () => {}, nothing: () => undefined }
    })
  })
  return open(server.ws('/talk'))
}

describe.each([
  ['without a subprotocol', openPlain],
  ['with blaze.v1', openBlaze]
])('a client %s', (_, open) => {
  test('is asked with a request whose id is s1, s2, …, and its answer resolves the ask', async () => {
    const { ws, client } = await connected(open)
    const answers = Promise.all([ask(ws), ask(ws)])
    expect(await next(client)).toEqual(call('s1', 'confirm', said))
    expect(await next(client)).toEqual(call('s2', 'confirm', said))
    send(client, frame({ id: 's2', result: { text: 'second' } }))
    send(client, frame({ id: 's1', result: { text: 'first' } }))
    expect(await answers).toEqual([{ text: 'first' }, { text: 'second' }])
  })

  test('may answer in a batch', async () => {
    const { ws, client } = await connected(open)
    const answers = Promise.all([ask(ws), ask(ws)])
    send(client, [yes('s1'), yes('s2')])
    expect(await answers).toHaveLength(2)
  })

  test('is asked inside a call', async () => {
    const client = await served(async (ws) => {
      for await (const _event of ws);
    }, open)
    expect(await answerTo(client, call(1, 'echo', said))).toEqual(call('s1', 'confirm', said))
    expect(await answerTo(client, yes('s1'))).toEqual(frame({ id: 1, result: { text: 'yes' } }))
  })

  test('is asked inside the loop, and may send events before it answers', async () => {
    const heard: string[] = []
    const client = await served(async (ws) => {
      for await (const { type } of ws) {
        heard.push(type)
        if (type === 'say') await ws.send('said', await ws.ask('confirm', said))
      }
    }, open)
    expect(await answerTo(client, event('say', said))).toMatchObject({ method: 'confirm' })
    send(client, event('leave'))
    expect(await answerTo(client, yes('s1'))).toEqual(event('said', { text: 'yes' }))
    await answerTo(client, call(1, 'nothing'))
    expect(heard).toEqual(['say', 'leave'])
  })

  test('may answer the loop in a batch that has events, too', async () => {
    const client = await served(async (ws) => {
      for await (const { type } of ws) if (type === 'say') await ws.send('said', await ws.ask('confirm', said))
    }, open)
    await answerTo(client, event('say', said))
    send(client, [event('leave'), yes('s1')])
    expect(await next(client)).toEqual(event('said', { text: 'yes' }))
  })

  test('that answers with an error of the contract rejects the ask with it', async () => {
    const { ws, client } = await connected(open)
    const asked = ask(ws)
    send(
      client,
      frame({ id: 's1', error: { code: -32_000, message: 'not now', data: { code: 'refused', why: 'busy' } } })
    )
    await expect(asked).rejects.toMatchObject({
      name: 'ContractError',
      code: 'refused',
      message: 'not now',
      data: { why: 'busy' }
    })
  })

  test.each([
    ['it has no function for it', { error: { code: -32_601, message: 'Method not found' } }],
    ['an error that the contract does not declare', { error: { code: -32_000, message: '', data: { code: 'other' } } }],
    ['an error that is null', { error: null }],
    ['a result that does not fit', { result: { text: 'far too long' } }],
    ['a result that is null', { result: null }]
  ])('that cannot answer rejects the ask: %s', async (_name, answer) => {
    const { ws, client } = await connected(open)
    const asked = ask(ws)
    send(client, frame({ id: 's1', ...answer }))
    await expect(asked).rejects.toMatchObject({ name: 'AskError', code: 'UNANSWERED' })
  })

  test('that answers too late or with another id is ignored', async () => {
    const { ws, client } = await connected(open)
    await expect(ask(ws, { timeout: 1 })).rejects.toMatchObject({ name: 'AskError', code: 'TIMEOUT' })
    await next(client)
    const second = ask(ws)
    for (const id of ['s1', 's3', 2, null, {}]) send(client, yes(id))
    send(client, yes('s2'))
    expect(await second).toEqual({ text: 'yes' })
  })
})

test('an ask can be aborted', async () => {
  const { ws } = await connected()
  const controller = new AbortController()
  const asked = ask(ws, { signal: controller.signal })
  controller.abort(new Error('enough'))
  await expect(asked).rejects.toThrow('enough')
  await expect(ask(ws, { signal: controller.signal })).rejects.toThrow('enough')
})

test('asks reject with CLOSED when the connection ends, and after it', async () => {
  const { ws, client } = await connected()
  const asked = ask(ws)
  client.socket.terminate()
  await expect(asked).rejects.toMatchObject({ name: 'AskError', code: 'CLOSED' })
  await expect(ask(ws)).rejects.toMatchObject({ code: 'CLOSED' })
})

test('asks reject with CLOSED when the server closes', async () => {
  const { ws } = await connected()
  const asked = ask(ws)
  void ws.close(1000)
  await expect(asked).rejects.toMatchObject({ name: 'AskError', code: 'CLOSED' })
})

test('data that does not fit, and asks that the contract does not have, reject with a TypeError', async () => {
  const { ws } = await connected()
  await expect(ws.ask('confirm', { text: 'far too long' })).rejects.toThrow(TypeError)
  await expect(ws.ask('unknown' as 'confirm', said)).rejects.toThrow(TypeError)
})

test('at most 64 asks wait on one connection', async () => {
  const { ws, client } = await connected()
  const asked = Array.from({ length: 64 }, () => ask(ws))
  await expect(ask(ws)).rejects.toMatchObject({ code: 'FST_BLAZE_WS_OUT_OF_RANGE' })
  send(client, yes('s1'))
  await asked[0]
  const next64 = ask(ws)
  for (let n = 2; n <= 65; n++) send(client, yes(`s${n}`))
  expect(await Promise.all([...asked, next64])).toHaveLength(65)
})

describe('while an ask waits', () => {
  const big = event('say', { text: 'x', padding: 'x'.repeat(64 * 1024) })

  /** A client whose handler asks at its first event, and what has become of the ask. */
  async function asking(): Promise<{ client: TestClient; outcome: Promise<unknown>; count: () => number }> {
    const outcome = gate<unknown>()
    let count = 0
    const client = await served(async (ws) => {
      await ws.receive()
      outcome.open(await ask(ws).catch((error: unknown) => error))
      for await (const _ of ws) count++
    })
    await answerTo(client, event('leave'))
    return { client, outcome: outcome.promise, count: () => count }
  }

  test('the client may send less than 1 MiB before its answer, and nothing is lost', async () => {
    const { client, outcome, count } = await asking()
    for (let n = 0; n < 15; n++) send(client, big)
    send(client, yes('s1'))
    expect(await outcome).toEqual({ text: 'yes' })
    await answerTo(client, call(1, 'nothing'))
    expect(count()).toBe(15)
  })

  test('it rejects after 1 MiB of other messages, and nothing is lost', async () => {
    const { client, outcome, count } = await asking()
    for (let n = 0; n < 40; n++) send(client, big)
    expect(await outcome).toMatchObject({ name: 'AskError', code: 'UNANSWERED' })
    await answerTo(client, call(1, 'nothing'))
    expect(count()).toBe(40)
  })

  test('it rejects if the message that goes over 1 MiB is the last one', async () => {
    const { client, outcome } = await asking()
    for (let n = 0; n < 15; n++) send(client, big)
    await later()
    send(client, event('say', { text: 'x', padding: 'x'.repeat(128 * 1024) }))
    expect(await outcome).toMatchObject({ name: 'AskError', code: 'UNANSWERED' })
  })

  test('it rejects at once if more than 1 MiB is unread already', async () => {
    const arrived = gate<Ws>()
    const outcome = gate<unknown>()
    const server = await startServer((app) => {
      const handler = async (ws: Ws): Promise<void> => {
        await ws.receive()
        arrived.open(ws)
        await eventually(() => app.wsHub.getClients()[0]?.session.isFull === true)
        outcome.open(await ask(ws).catch((error: unknown) => error))
      }
      app.webSocketWithContract('/talk', talk, (ws) => (app.wsHub.register(ws), handler(ws)), {
        calls: { echo: (input) => input, rename: () => {}, nothing: () => undefined },
        webSocket: { maxMessageSize: 4 * 1024 * 1024 }
      })
    })
    const client = await openPlain(server.ws('/talk'))
    send(client, event('leave'))
    await arrived.promise
    send(client, event('say', { text: 'x'.repeat(2 * 1024 * 1024) }))
    expect(await outcome.promise).toMatchObject({ name: 'AskError', code: 'UNANSWERED' })
  })

  test('it rejects if the schema of the answer throws', async () => {
    const broken = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: () => {
          throw new Error('a bug')
        }
      }
    } as const
    const contract = defineContract({ name: 'broken', asks: { confirm: { output: broken } } })
    const outcome = gate<unknown>()
    const server = await startServer((app) => {
      app.webSocketWithContract('/broken', contract, async (ws) => {
        outcome.open(await ws.ask('confirm').catch((error: unknown) => error))
      })
    })
    const client = await openPlain(server.ws('/broken'))
    await next(client)
    send(client, frame({ id: 's1', result: {} }))
    expect(await outcome.promise).toEqual(new Error('a bug'))
  })
})
