import { ContractError } from '../../src/contract.ts'
import { closeServers, startServer, type TestClient, type TestServer } from '../support/server.ts'
import { answerTo, call, event, frame, openBlaze, openPlain, send, talk } from './support.ts'

/*
 * JSON-RPC 2.0 as any client sees it. What only clients with the subprotocol see is in `hello.test.ts`.
 */

let server: TestServer
let heard: unknown[]

beforeEach(async () => {
  heard = []
  server = await startServer((app) => {
    app.webSocketWithContract(
      '/talk',
      talk,
      async (ws) => {
        for await (const event of ws) {
          heard.push(event)
          if (event.type === 'say') await ws.send('said', event.data)
        }
      },
      {
        calls: {
          echo: async (input) => input,
          rename({ text }, _ws, { fail }) {
            if (text === 'taken') throw fail('taken', 'somebody has it', { by: 'Ann' })
            if (text === 'class') throw new ContractError('taken')
            if (text === 'other') throw new ContractError('undeclared')
            throw new Error('a secret')
          },
          nothing: () => undefined
        }
      }
    )
  })
})
afterEach(closeServers)

const ECHO = call('e', 'echo', { text: 'x' })
const ECHOED = frame({ id: 'e', result: { text: 'x' } })
const error = (id: unknown, code: number) => ({ jsonrpc: '2.0', id, error: { code, message: expect.any(String) } })

describe.each([
  ['without a subprotocol', openPlain, false],
  ['with blaze.v1', openBlaze, true]
])('a client %s', (_, open, isBlaze) => {
  let client: TestClient
  beforeEach(async () => {
    client = await open(server.ws('/talk'))
  })

  /** Sends a frame that gets no answer: the next frame answers the call after it. */
  async function expectSilence(value: unknown): Promise<void> {
    send(client, value)
    expect(await answerTo(client, ECHO)).toEqual(ECHOED)
  }

  test('negotiates its subprotocol', () => expect(client.socket.protocol).toBe(isBlaze ? 'blaze.v1' : ''))

  // ---- Events and calls

  test('sends an event, and gets one', async () => {
    expect(await answerTo(client, event('say', { text: 'hi' }))).toEqual(event('said', { text: 'hi' }))
  })

  test.each([{}, { params: {} }, { params: [] }])('sends an event without data: %j', async (members) => {
    await expectSilence(frame({ method: 'leave', ...members }))
    expect(heard).toEqual([{ type: 'leave', data: undefined }])
  })

  test('calls', async () => expect(await answerTo(client, ECHO)).toEqual(ECHOED))

  test('gets the result null of a call without output', async () => {
    expect(await answerTo(client, call(1, 'nothing'))).toEqual(frame({ id: 1, result: null }))
  })

  // ---- What cannot be read

  test.each(['', '{', 'x', '{"jsonrpc":"2.0",}', '{"__proto__":{}}'])('invalid JSON: %s', async (text) => {
    expect(await answerTo(client, text)).toEqual(error(null, -32_700))
  })

  test.each(['null', '1', '"text"', 'true'])('a frame that is no object: %s', async (text) => {
    expect(await answerTo(client, text)).toEqual(error(null, -32_600))
  })

  test.each([
    ['no jsonrpc', { id: 1, method: 'echo' }],
    ['another version', { jsonrpc: '1.0', id: 1, method: 'echo' }],
    ['neither method nor result', frame({ id: 1 })],
    ['a method that is no string', frame({ id: 1, method: 5 })],
    ['params null', call(1, 'echo', null)],
    ['params that are a string', call(1, 'echo', 'x')],
    ['params that are a number', call(1, 'echo', 0)],
    ['params false', call(1, 'echo', false)]
  ])('no request, but with an id: %s', async (_name, value) => {
    expect(await answerTo(client, value)).toEqual(error(1, -32_600))
  })

  test('a notification with params null', async () => {
    expect(await answerTo(client, event('say', null))).toEqual(error(null, -32_600))
  })

  // ---- Ids

  test.each([
    ['a string', 'a'],
    ['an empty string', ''],
    ['256 characters', 'x'.repeat(256)],
    ['the largest safe integer', Number.MAX_SAFE_INTEGER],
    ['zero', 0],
    ['a negative integer', -7],
    ['null', null]
  ])('an id may be %s', async (_name, id) => {
    expect(await answerTo(client, call(id, 'nothing'))).toEqual(frame({ id, result: null }))
  })

  test.each([
    ['257 characters', 'x'.repeat(257)],
    ['an unsafe integer', Number.MAX_SAFE_INTEGER + 1],
    ['a float', 1.5],
    ['an object', {}],
    ['an array', [1]],
    ['a boolean', true]
  ])('an id must not be %s', async (_name, id) => {
    expect(await answerTo(client, call(id, 'nothing'))).toEqual(error(null, -32_600))
  })

  // ---- Batches

  test('a batch gets the answers of its calls, in their order', async () => {
    const batch = [call(1, 'echo', { text: 'a' }), event('leave'), call(2, 'unknown'), 5]
    expect(await answerTo(client, batch)).toEqual([
      frame({ id: 1, result: { text: 'a' } }),
      error(2, -32_601),
      error(null, -32_600)
    ])
    expect(heard).toHaveLength(1)
  })

  test('a batch of 100', async () => {
    const batch = Array.from({ length: 100 }, (_entry, id) => call(id, 'nothing'))
    expect(await answerTo(client, batch)).toEqual(batch.map((_entry, id) => frame({ id, result: null })))
  })

  test('a batch of 101 gets one error, and nothing of it is done', async () => {
    const batch = Array.from({ length: 101 }, () => event('leave'))
    expect(await answerTo(client, batch)).toEqual(error(null, -32_600))
    await expectSilence(event('leave'))
    expect(heard).toHaveLength(1)
  })

  test('an empty batch', async () => expect(await answerTo(client, [])).toEqual(error(null, -32_600)))

  test('a batch of notifications alone gets no answer', async () => {
    await expectSilence([event('leave'), event('leave')])
    expect(heard).toHaveLength(2)
  })

  test('an array in a batch is no request', async () => {
    expect(await answerTo(client, [[ECHO], ECHO])).toEqual([error(null, -32_600), ECHOED])
  })

  // ---- Responses

  test.each([
    frame({ id: 's1', result: {} }),
    frame({ id: 's1', error: { code: 1, message: 'no' } }),
    frame({ id: null, result: null }),
    frame({ id: {}, error: null })
  ])('a response that nobody waits for is ignored: %j', async (response) => {
    await expectSilence(response)
    await expectSilence([response])
  })

  // ---- Errors

  test.each(['unknown', 'say', 'toString', '__proto__', 'rpc.unknown'])('an unknown call: %s', async (method) => {
    expect(await answerTo(client, call(1, method, {}))).toEqual(error(1, -32_601))
  })

  test('an unknown event', async () => {
    if (!isBlaze) return expectSilence(event('unknown', { text: 'x' }))
    expect(await answerTo(client, event('unknown', { text: 'x' }))).toEqual(
      event('rpc.error', { method: 'unknown', code: -32_601, message: expect.any(String) })
    )
  })

  test('the name of a call as an event', async () => {
    if (!isBlaze) return expectSilence(event('echo', { text: 'x' }))
    expect(await answerTo(client, event('echo', { text: 'x' }))).toMatchObject({ method: 'rpc.error' })
  })

  test('a notification of rpc.* is ignored', async () => expectSilence(event('rpc.unknown')))

  test('a call whose data does not fit', async () => {
    expect(await answerTo(client, call(1, 'echo', { text: 'x'.repeat(11) }))).toEqual(
      frame({
        id: 1,
        error: {
          code: -32_602,
          message: expect.any(String),
          data: [{ path: '/text', message: 'must NOT have more than 10 characters' }]
        }
      })
    )
  })

  test.each([
    ['call without params', call(1, 'echo')],
    ['call with an array', call(1, 'echo', [])],
    ['call that takes no data', call(1, 'nothing', { a: 1 })]
  ])('%s', async (_name, value) => {
    expect(await answerTo(client, value)).toMatchObject({ id: 1, error: { code: -32_602 } })
  })

  test('an event whose data does not fit', async () => {
    if (!isBlaze) return expectSilence(event('say', {}))
    expect(await answerTo(client, event('say', {}))).toEqual(
      event('rpc.error', {
        method: 'say',
        code: -32_602,
        message: expect.any(String),
        data: [{ path: '/text', message: expect.any(String) }]
      })
    )
  })

  test('a call that fails with an error of the contract', async () => {
    expect(await answerTo(client, call(1, 'rename', { text: 'taken' }))).toEqual(
      frame({ id: 1, error: { code: -32_000, message: 'somebody has it', data: { by: 'Ann', code: 'taken' } } })
    )
    expect(await answerTo(client, call(2, 'rename', { text: 'class' }))).toEqual(
      frame({ id: 2, error: { code: -32_000, message: 'taken', data: { code: 'taken' } } })
    )
  })

  test.each(['any', 'other'])(
    'a call that throws anything else is logged, and says nothing of it (%s)',
    async (text) => {
      expect(await answerTo(client, call(1, 'rename', { text }))).toEqual(
        frame({ id: 1, error: { code: -32_603, message: 'internal error' } })
      )
      expect(server.logs.filter(({ level, call }) => level === 50 && call === 'rename')).toHaveLength(1)
    }
  )

  test('a binary frame closes with 1003', async () => {
    client.socket.send(Buffer.from(JSON.stringify(ECHO)))
    expect(await client.close()).toMatchObject({ code: 1003 })
  })

  test('the connection stays open after every error', async () => {
    for (const value of [
      '{',
      '[]',
      call(1.5, 'x'),
      call(1, 'unknown'),
      call(1, 'echo'),
      call(1, 'rename', { text: '' })
    ])
      expect(await answerTo(client, value)).toHaveProperty('error')
    await expectSilence(event('leave'))
  })
})
