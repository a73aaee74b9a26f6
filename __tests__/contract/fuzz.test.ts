import Fastify, { type FastifyInstance } from 'fastify'
import { z } from 'zod'
import { ContractError, defineContract } from 'fastify-blaze-ws/contract'
import { type TestClient, testClient } from 'fastify-blaze-ws/testing'
import blazeWs from '../../src/index.ts'
import { messageOf, Random } from '../fuzz/rpc-messages.ts'
import { type Answer, isRight, judge, type Judgement } from '../fuzz/rpc-oracle.ts'

// Sends messages, most of them wrong, to a contract route, and compares what happens with an oracle.
//   FUZZ_MESSAGES=100000 FUZZ_SEED=1 npx jest __tests__/contract/fuzz.test.ts
const MESSAGES = Number(process.env.FUZZ_MESSAGES ?? 3000)
const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 32)
/** For one message. A server that hangs takes longer than a busy machine. */
const PATIENCE = { within: 20_000 }

const WithText = { type: 'object', required: ['text'], properties: { text: {} } } as const
const contract = defineContract({
  name: 'fuzzed',
  fromClient: { note: WithText, pair: z.strictObject({ n: z.int() }), tick: null },
  fromServer: { said: null },
  calls: {
    echo: { input: WithText, output: {} },
    sum: { input: z.array(z.number()), output: z.object({ sum: z.number() }) },
    nothing: {},
    taken: { errors: ['taken'] },
    boom: {},
    undeclared: { errors: ['taken'] }
  },
  asks: { confirm: {} }
})

let app: FastifyInstance
/** What the handler was given since the last message. */
let events: Judgement['events'] = []
const crashes: unknown[] = []
const onCrash = (error: unknown): void => void crashes.push(error)

beforeAll(async () => {
  process.on('uncaughtException', onCrash).on('unhandledRejection', onCrash)
  app = Fastify()
  await app.register(blazeWs)
  app.webSocketWithContract(
    '/fuzzed',
    contract,
    async (ws) => {
      for await (const { type, data } of ws) events.push({ type, data })
    },
    {
      calls: {
        echo: async (input) => input as object,
        sum: (numbers) => ({ sum: numbers.reduce((sum, n) => sum + n, 0) }),
        nothing: () => {},
        taken(_input, _ws, { fail }) {
          throw fail('taken')
        },
        boom: () => Promise.reject(new Error('secret')),
        undeclared() {
          throw new ContractError('secret')
        }
      },
      // Nested batches with long ids.
      webSocket: { maxMessageSize: 64 * 1024 * 1024 }
    }
  )
})
afterAll(async () => {
  process.off('uncaughtException', onCrash).off('unhandledRejection', onCrash)
  await app.close()
})

/** A client without a contract, because it sends what it must not send. */
async function connect(isBlaze: boolean): Promise<TestClient> {
  if (!isBlaze) return testClient(app, '/fuzzed')
  const client = await testClient(app, '/fuzzed', { headers: { 'sec-websocket-protocol': 'blaze.v1' } })
  await client.send('{"jsonrpc":"2.0","id":"hello","method":"rpc.hello"}')
  await client.next()
  return client
}

/** Everything that the server sends because of a message. */
async function reactionTo(client: TestClient, text: string, index: number): Promise<unknown[]> {
  const end = `end of ${index}`
  await client.send(text)
  // It is answered last, because messages are handled in their order.
  await client.send(`{"jsonrpc":"2.0","id":"${end}","method":"nothing"}`)
  const came: unknown[] = []
  for (;;) {
    const message = await client.nextJSON<{ id?: unknown }>(PATIENCE)
    if (message.id === end) return came
    came.push(message)
  }
}

/** What is wrong with the reaction to a message; undefined if nothing is. */
function faultOf({ answers, rejected, events: expected }: Judgement, came: readonly unknown[]): string | undefined {
  const told = came.filter((message) => (message as { method?: unknown }).method === 'rpc.error')
  const answered = came.filter((message) => !told.includes(message))
  if (answered.length !== (answers === undefined ? 0 : 1)) return `${answered.length} answers`
  if (answers !== undefined && !areRight(answers, answered[0])) return 'a wrong answer'
  const rejections = told.map((message) => (message as { params: { method: string; code: number } }).params)
  const isTold = JSON.stringify(rejections.map(({ method, code }) => ({ method, code }))) === JSON.stringify(rejected)
  if (!isTold) return 'a wrong rpc.error'
  return areSame(events, expected) ? undefined : 'wrong events'
}

function areRight(expected: Answer | Answer[], answer: unknown): boolean {
  if (!Array.isArray(expected)) return isRight(expected, answer)
  if (!Array.isArray(answer) || answer.length !== expected.length) return false
  const left = [...(answer as unknown[])]
  return expected.every((one) => {
    const at = left.findIndex((other) => isRight(one, other))
    return at !== -1 && left.splice(at, 1).length === 1
  })
}

/** Data that is too deep for JSON.stringify counts as the same. */
function areSame(one: unknown, other: unknown): boolean {
  try {
    return JSON.stringify(one) === JSON.stringify(other)
  } catch {
    return true
  }
}

/** Plays messages and returns what was wrong with the first reactions that were. */
async function fuzz(seed: number, isBlaze: boolean, messages: number): Promise<object[]> {
  const random = new Random(seed)
  const findings: object[] = []
  let client = await connect(isBlaze)
  for (let index = 0; index < messages && findings.length < 5; index++) {
    // As it arrives: half a surrogate pair has no UTF-8.
    const text = Buffer.from(messageOf(random)).toString()
    const judgement = judge(text, isBlaze)
    events = []
    try {
      if (judgement.close === undefined) {
        const came = await reactionTo(client, text, index)
        const fault = faultOf(judgement, came)
        if (fault !== undefined) findings.push({ fault, text: text.slice(0, 2000), came, events, judgement, index })
        continue
      }
      await client.send(text)
      const { code } = await client.closed
      if (code !== judgement.close) findings.push({ fault: `closed with ${code}`, text, index })
    } catch (error) {
      findings.push({ fault: String(error), text: text.slice(0, 2000), judgement, index })
    }
    client.cut()
    client = await connect(isBlaze)
  }
  await client.close()
  return findings
}

describe.each([
  ['the fixed seed', 1],
  ['a random seed', SEED]
])('%s', (_name, seed) => {
  test.each([
    ['any JSON-RPC client', false],
    ['a client of this package', true]
  ])(
    `%s is answered as JSON-RPC requires (seed ${seed})`,
    async (_client, isBlaze) => {
      expect(await fuzz(seed, isBlaze, MESSAGES / 2)).toEqual([])
      expect(crashes).toEqual([])
    },
    600_000
  )
})

describe('the first message of a client of this package', () => {
  const text = (params: string): string => `{"jsonrpc":"2.0","id":1,"method":"rpc.hello","params":${params}}`
  const position = (epoch: unknown, offset: unknown): string =>
    text(JSON.stringify({ positions: { a: { epoch, offset } } }))
  const positions = (count: number): string =>
    text(
      JSON.stringify({
        positions: Object.fromEntries(Array.from({ length: count }, (_, i) => [i, { epoch: '', offset: i }]))
      })
    )
  const deep = (depth: number): string => text(`{"auth":${'['.repeat(depth)}${']'.repeat(depth)}}`)

  async function firstAnswer(message: string | Buffer): Promise<unknown> {
    const client = await testClient(app, '/fuzzed', { headers: { 'sec-websocket-protocol': 'blaze.v1' } })
    await client.send(message)
    const answer = await client.nextJSON<{ id?: unknown }>(PATIENCE)
    client.cut()
    return answer
  }

  test.each([
    ['nothing', '{"jsonrpc":"2.0","id":1,"method":"rpc.hello"}'],
    ['an empty object', text('{}')],
    ['an auth of null', text('{"auth":null}')],
    ['members of a later version', text('{"auth":{"token":"x"},"more":[1]}')],
    ['16 KiB of auth', text(JSON.stringify({ auth: 'x'.repeat(16 * 1024 - 2) }))],
    ['a position', position('e'.repeat(64), 0)],
    ['100 positions', positions(100)]
  ])('with %s is a hello', async (_name, message) => {
    expect(await firstAnswer(message)).toMatchObject({ id: 1, result: { connection: expect.any(String) as string } })
  })

  test.each([
    ['an array', text('[]')],
    ['more than 16 KiB of auth', text(JSON.stringify({ auth: 'x'.repeat(16 * 1024 - 1) }))],
    ['a deep auth', deep(100_000)],
    ['positions of null', text('{"positions":null}')],
    ['a list of positions', text('{"positions":[]}')],
    ['a position of null', text('{"positions":{"a":null}}')],
    ['an epoch that is a number', position(1, 1)],
    ['a long epoch', position('e'.repeat(65), 1)],
    ['a negative offset', position('e', -1)],
    ['half an offset', position('e', 0.5)],
    ['an offset that is a string', position('e', '1')],
    ['an unsafe offset', text('{"positions":{"a":{"epoch":"e","offset":9007199254740992}}}')],
    ['101 positions', positions(101)],
    ['a poisoned auth', text('{"auth":{"__proto__":1}}')],
    ['a batch', `[${text('{}')}]`],
    ['no id', '{"jsonrpc":"2.0","method":"rpc.hello"}'],
    ['an object as its id', '{"jsonrpc":"2.0","id":{},"method":"rpc.hello"}'],
    ['another method', '{"jsonrpc":"2.0","id":1,"method":"echo"}'],
    ['no JSON', 'hello'],
    ['nothing at all', '']
  ])('with %s closes with 1008', async (_name, message) => {
    const client = await testClient(app, '/fuzzed', { headers: { 'sec-websocket-protocol': 'blaze.v1' } })
    await client.send(message)
    expect(await client.nextJSON(PATIENCE)).toMatchObject({ method: 'rpc.goodbye', params: { reconnect: false } })
    expect((await client.closed).code).toBe(1008)
  })

  test('as bytes closes with 1003', async () => {
    const client = await testClient(app, '/fuzzed', { headers: { 'sec-websocket-protocol': 'blaze.v1' } })
    await client.send(Buffer.from(text('{}')))
    expect((await client.closed).code).toBe(1003)
  })
})
