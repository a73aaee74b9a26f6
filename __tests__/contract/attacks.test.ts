import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { ContractError, defineContract } from '../../src/contract.ts'
import type { ContractConnection } from '../../src/index.ts'
import { closeServers, startServer } from '../support/server.ts'
import { answerTo, call, event, frame, gate, later, next, openBlaze, openPlain, send, talk } from './support.ts'

/*
 * Clients that want to harm a contract route, and functions of an application that fail in unusual ways.
 */

type Ws = ContractConnection<typeof talk>

/** The garbage collector, which Node.js hides without a flag. */
function exposedGc(): () => void {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
}

const said = { text: 'sure?' }

afterEach(closeServers)

interface Parts {
  rename?: () => void
  echo?: (input: { text: string }) => Promise<{ text: string }>
  concurrency?: number
}

/** A client of a route with these functions, and the connection of the server. */
async function connected(open: typeof openPlain, { echo, rename, concurrency = 1 }: Parts = {}) {
  const started = gate<Ws>()
  const server = await startServer((app) => {
    app.webSocketWithContract(
      '/talk',
      talk,
      async (ws) => {
        started.open(ws)
        for await (const _ of ws);
      },
      {
        concurrency,
        // A client that does not read must not be dropped on a slow machine.
        webSocket: { writeTimeout: 0, pingInterval: 0, readTimeout: 0 },
        calls: {
          echo: echo ?? ((input) => input),
          rename: () => rename?.(),
          nothing: () => undefined
        }
      }
    )
  })
  const client = await open(server.ws('/talk'))
  return { client, ws: await started.promise, server }
}

test.each([
  ['message', { code: 1, message: { toString: null, valueOf: null } }],
  ['code', { code: { toString: null, valueOf: null }, message: 'no' }]
])('an answer whose error has a %s that is no text settles its ask', async (_, error) => {
  const { client, ws } = await connected(openPlain)
  const asked = ws.ask('confirm', said)
  await next(client)
  send(client, frame({ id: 's1', error }))
  await expect(asked).rejects.toMatchObject({ name: 'AskError', code: 'UNANSWERED' })
  expect(await answerTo(client, call(1, 'nothing'))).toEqual(frame({ id: 1, result: null }))
})

test.each([
  ['a BigInt', { count: 1n }],
  [
    'a cycle',
    (() => {
      const cycle: Record<string, unknown> = {}
      return (cycle.self = cycle)
    })()
  ]
])('a call that throws an error of the contract with %s is answered, and the connection goes on', async (_, data) => {
  const { client, server } = await connected(openPlain, {
    rename() {
      throw new ContractError('taken', 'taken', data)
    }
  })
  expect(await answerTo(client, call(1, 'rename', said))).toMatchObject({ id: 1, error: { code: -32603 } })
  expect(server.logs.some(({ msg }) => msg === 'a call of a WebSocket contract failed')).toBe(true)
  expect(await answerTo(client, call(2, 'nothing'))).toEqual(frame({ id: 2, result: null }))
})

test.each([[undefined], [null], [0], ['text'], [Symbol('s')]])('a call that throws %p is answered', async (thrown) => {
  const { client } = await connected(openPlain, {
    rename() {
      throw thrown
    }
  })
  expect(await answerTo(client, call(1, 'rename', said))).toMatchObject({ id: 1, error: { code: -32603 } })
})

/** The longest id, in bytes. */
const longId = '€'.repeat(256)
const longName = 'x'.repeat(700)

test.each([
  ['pings', call(longId, 'rpc.ping')],
  ['events that do not fit', event('leave', { [longName]: 1 })],
  ['unknown events', event(longName)]
])(
  '%s are not read if the client does not read the answers',
  async (_, message) => {
    const { client, ws } = await connected(openBlaze)
    const { socket } = client
    socket.pause()
    let unsent = 0
    // Ends once the server has stopped reading.
    while (socket.bufferedAmount < 1024 * 1024 && !ws.isClosed()) {
      for (let i = 0; i < 100; i++) send(client, message)
      await later()
      unsent = Math.max(unsent, ws.bufferedAmount)
    }
    expect(unsent).toBeLessThan(1024 * 1024)
    expect(ws.isClosed()).toBe(false)
    socket.terminate()
    // The system takes megabytes before it takes no more, and a busy machine needs long for them.
  },
  90_000
)

test('a call that runs for long keeps nothing of the other calls in memory', async () => {
  const gc = exposedGc()
  const { promise, open } = gate()
  const { client } = await connected(openPlain, {
    concurrency: 2,
    async echo(input) {
      await promise
      return input
    }
  })
  send(client, call('long', 'echo', said))
  const batch = JSON.stringify(Array.from({ length: 100 }, (_, i) => call(i, 'nothing')))
  const play = async (batches: number): Promise<number> => {
    for (let i = 0; i < batches; i++) await answerTo(client, batch)
    gc()
    return process.memoryUsage().heapUsed
  }
  const before = await play(20)
  const after = await play(300)
  expect(after - before).toBeLessThan(2 * 1024 * 1024)
  open()
  expect(await next(client)).toMatchObject({ id: 'long' })
})

test.each([['text'], [5], [true]])('an ask refuses the data %p, which JSON-RPC cannot carry', async (data) => {
  const started = gate<{ ws: ContractConnection }>()
  const contract = defineContract({ name: 'any', asks: { confirm: { input: {} } } })
  const server = await startServer((app) => {
    app.webSocketWithContract('/any', contract, (ws) => started.open({ ws }))
  })
  await openPlain(server.ws('/any'))
  const { ws } = await started.promise
  await expect((ws.ask as (name: string, data: unknown) => Promise<unknown>)('confirm', data)).rejects.toThrow(
    'The data of asks.confirm.input must be an object or an array'
  )
})

test.each([[Infinity], [Number.NaN], [-1]])('an ask refuses the timeout %p', async (timeout) => {
  const { ws } = await connected(openPlain)
  await expect(ws.ask('confirm', said, { timeout })).rejects.toMatchObject({ code: 'FST_BLAZE_WS_OUT_OF_RANGE' })
})

test('a schema may refuse data with a promise of any kind', async () => {
  const refusal = { issues: [{ message: 'no' }] }
  const schema = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: () => runInNewContext('Promise.resolve(refusal)', { refusal }) as Promise<typeof refusal>
    }
  } as const
  const contract = defineContract({ name: 'strict', calls: { enter: { input: schema } } })
  const server = await startServer((app) => {
    app.webSocketWithContract('/strict', contract, { calls: { enter: () => undefined } })
  })
  const client = await openPlain(server.ws('/strict'))
  expect(await answerTo(client, call(1, 'enter', {}))).toMatchObject({ error: { code: -32602 } })
})
