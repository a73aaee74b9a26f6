import Fastify, { type FastifyInstance } from 'fastify'
import { z } from 'zod'
import { ContractError, defineContract } from 'fastify-blaze-ws/contract'
import { ExpectationError, RpcCallError, testClient } from 'fastify-blaze-ws/testing'
import blazeWs, { isCloseError } from '../../src/index.ts'

const Text = z.object({ text: z.string() })
const chat = defineContract({
  name: 'chat',
  fromClient: { say: Text, leave: null, ask: null },
  fromServer: { said: Text, left: z.object({ name: z.string() }), answered: z.object({ answer: z.string() }) },
  calls: {
    rename: { input: z.object({ name: z.string() }), output: z.object({ name: z.string() }), errors: ['taken'] },
    fail: {},
    sleep: {}
  },
  asks: { confirm: { input: z.object({ order: z.number() }), output: z.object({ seen: z.boolean() }), errors: ['no'] } }
})

let app: FastifyInstance
/** The error with which an ask was rejected. */
let askError: unknown

beforeEach(async () => {
  app = Fastify()
  await app.register(blazeWs)
  app.webSocketWithContract(
    '/chat/:room',
    chat,
    async (ws) => {
      app.wsHub.join(ws, ws.params.room)
      for await (const event of ws) {
        if (event.type === 'say') app.wsHub.to(ws.params.room).broadcast(chat, 'said', event.data)
        if (event.type === 'leave') await ws.send('left', { name: String(ws.auth) })
        if (event.type === 'ask')
          await ws.ask('confirm', { order: 7 }).then(
            ({ seen }) => ws.send('answered', { answer: String(seen) }),
            async (error: unknown) => {
              askError = error
              await ws.send('answered', { answer: 'none' })
            }
          )
      }
    },
    {
      authenticate(auth) {
        if (auth === 'wrong') throw new Error('no such token')
        return auth ?? 'nobody'
      },
      calls: {
        rename({ name }, _ws, { fail }) {
          if (name === 'Eve') throw fail('taken', 'that is me', { by: 'Eve' })
          return { name }
        },
        fail: () => Promise.reject(new Error('secret')),
        sleep: () => new Promise(() => {})
      }
    }
  )
})
afterEach(() => app.close())

const connect = () => testClient(app, '/chat/lobby', { contract: chat })

describe('events', () => {
  test('go to the server and come back', async () => {
    const [ann, bob] = [await connect(), await connect()]
    await ann.send('say', { text: 'hi' })
    for (const client of [ann, bob]) expect(await client.next()).toEqual({ type: 'said', data: { text: 'hi' } })
  })

  test('by name, while others wait for their turn', async () => {
    const ann = await testClient(app, '/chat/lobby', { contract: chat, auth: 'Ann' })
    await ann.send('say', { text: 'hi' })
    await ann.send('leave')
    const { data } = await ann.next('left', { within: 500 })
    expect(data.name).toBe('Ann')
    expect(await ann.next('said')).toEqual({ type: 'said', data: { text: 'hi' } })
  })

  test('as they are on the wire', async () => {
    const ann = await connect()
    await ann.send('say', { text: 'hi' })
    expect(await ann.nextJSON()).toEqual({ jsonrpc: '2.0', method: 'said', params: { text: 'hi' } })
  })

  test('an expectation that fails says what came instead', async () => {
    const ann = await connect()
    await ann.send('say', { text: 'hi' })
    const error = await ann.next('left', { within: 50 }).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(ExpectationError)
    expect((error as Error).message).toBe(
      `expected "left" within 50 ms, but instead came { type: 'said', data: { text: 'hi' } }`
    )
    expect((error as ExpectationError).received).toEqual([{ type: 'said', data: { text: 'hi' } }])
  })

  test('a rejected event is told by rpc.error', async () => {
    const ann = await connect()
    await ann.send('say', { text: 7 } as never)
    expect(await ann.next('rpc.error')).toMatchObject({
      data: { method: 'say', code: -32602, data: [{ path: '/text' }] }
    })
    await ann.send('say', {} as never)
    await expect(ann.next({ within: 50 })).rejects.toThrow('rpc.error')
  })

  test('the goodbye of a shutdown', async () => {
    const ann = await connect()
    await app.close()
    expect(await ann.next('rpc.goodbye')).toMatchObject({ data: { reconnect: true } })
    expect((await ann.closed).code).toBe(1001)
  })
})

describe('calls', () => {
  test('are answered', async () => {
    expect(await (await connect()).call('rename', { name: 'Ann' })).toEqual({ name: 'Ann' })
  })

  test('reject with an error of the contract', async () => {
    const call = (await connect()).call('rename', { name: 'Eve' })
    await expect(call).rejects.toBeInstanceOf(ContractError)
    await expect(call).rejects.toMatchObject({ code: 'taken', message: 'that is me', data: { by: 'Eve' } })
  })

  test('reject with other errors', async () => {
    const ann = await connect()
    const invalid = ann.call('rename', {} as never)
    await expect(invalid).rejects.toBeInstanceOf(RpcCallError)
    await expect(invalid).rejects.toMatchObject({ code: -32602, data: [{ path: '/name' }] })
    await expect(ann.call('fail')).rejects.toMatchObject({ code: -32603, message: 'internal error (-32603)' })
    await expect(ann.call('nothing' as 'fail')).rejects.toMatchObject({ code: -32601 })
  })

  test('reject after a while, and if the connection ends', async () => {
    const ann = await connect()
    await expect(ann.call('sleep', undefined, { within: 50 })).rejects.toThrow('an answer to "sleep" within 50 ms')
    const call = ann.call('fail')
    ann.cut()
    await expect(call).rejects.toThrow('closed with 1006')
  })
})

describe('asks', () => {
  const answerOf = async (ann: Awaited<ReturnType<typeof connect>>): Promise<string> => {
    await ann.send('ask')
    return (await ann.next('answered')).data.answer
  }

  test('are answered by the functions of the test', async () => {
    const ann = (await connect()).answer({ confirm: async ({ order }) => ({ seen: order === 7 }) })
    expect(await answerOf(ann)).toBe('true')
  })

  test('reject on the server without a function', async () => {
    expect(await answerOf(await connect())).toBe('none')
    expect(askError).toMatchObject({ code: 'UNANSWERED' })
  })

  test('reject on the server if the function throws', async () => {
    const ann = (await connect()).answer({
      confirm() {
        throw new ContractError('no', 'never')
      }
    })
    expect(await answerOf(ann)).toBe('none')
    expect(askError).toMatchObject({ name: 'ContractError', code: 'no', message: 'never' })
    ann.answer({ confirm: () => Promise.reject(new Error('out of paper')) })
    expect(await answerOf(ann)).toBe('none')
    expect((askError as Error).message).toContain('out of paper')
  })

  test('that come with the first messages wait for the functions', async () => {
    const { promise, resolve } = withResolvers()
    app.webSocketWithContract('/eager', asking, (ws) => ws.ask('ready').then(resolve, resolve))
    const ann = await testClient(app, '/eager', { contract: asking })
    ann.answer({ ready: () => {} })
    expect(await promise).toBeUndefined()
  })

  const asking = defineContract({ name: 'asking', asks: { ready: {} } })
})

describe('the beginning', () => {
  test('the id of the connection is known', async () => {
    const ann = await connect()
    expect(app.wsHub.to(ann.id).broadcast(chat, 'left', { name: 'you' })).toBe(1)
    expect(await ann.next('left')).toMatchObject({ data: { name: 'you' } })
    expect(ann.protocol).toBe('blaze.v1')
  })

  test('rejects if authenticate refuses the client', async () => {
    const error = await testClient(app, '/chat/lobby', { contract: chat, auth: 'wrong' }).catch(
      (error: unknown) => error
    )
    expect(isCloseError(error, 4401)).toBe(true)
    expect(error).toMatchObject({ reason: 'unauthorized' })
  })

  test('rejects if the hello breaks a rule', async () => {
    const auth = 'x'.repeat(20_000)
    await expect(testClient(app, '/chat/lobby', { contract: chat, auth })).rejects.toMatchObject({ closeCode: 1008 })
  })

  test('rejects on a route without a contract', async () => {
    app.webSocket('/raw', () => {})
    await expect(testClient(app, '/raw', { contract: chat })).rejects.toThrow('/raw is not the route of a contract')
  })

  test('a raw client sees JSON-RPC', async () => {
    const ann = await testClient(app, '/chat/lobby')
    await ann.send('{"jsonrpc":"2.0","id":1,"method":"rename","params":{"name":"Ann"}}')
    expect(await ann.nextJSON()).toEqual({ jsonrpc: '2.0', id: 1, result: { name: 'Ann' } })
  })
})

describe('positions', () => {
  test('follow what the server tells of its rooms', async () => {
    const stream = defineContract({ name: 'stream', fromServer: { said: Text } })
    const notification = (method: string, params: object, more: object = {}): string =>
      JSON.stringify({ jsonrpc: '2.0', method, params, ...more })
    let hello: unknown
    // A server of this protocol without the rest: the streams are made up.
    app.webSocketWithConfig(
      '/stream',
      async (ws) => {
        const { id, params } = await ws.readJSON<{ id: number; params: unknown }>()
        hello = params
        await ws.writeJSON({ jsonrpc: '2.0', id, result: { connection: 'c', heartbeat: 0 } })
        for (const room of ['a', 'b']) await ws.writeText(notification('rpc.joined', { room, epoch: 'e', offset: 4 }))
        await ws.writeText(notification('said', { text: 'hi' }, { room: 'a', offset: 5 }))
        await ws.writeText(notification('rpc.left', { room: 'b' }))
        await ws.readMessage().catch(() => {})
      },
      { subprotocols: ['blaze.v1'] }
    )
    const positions = { c: { epoch: 'x', offset: 1 } }
    const ann = await testClient(app, '/stream', { contract: stream, positions })
    expect(hello).toEqual({ positions })
    expect(await ann.next()).toEqual({ type: 'said', data: { text: 'hi' }, room: 'a', offset: 5 })
    await ann.next('rpc.left')
    expect(ann.positions).toEqual({ a: { epoch: 'e', offset: 5 }, c: { epoch: 'x', offset: 1 } })
  })
})

test('types come from the contract', () => {
  // Never called: the compiler checks it.
  const use = async (): Promise<void> => {
    const ann = await connect()
    // @ts-expect-error there is no such event
    await ann.send('shout', { text: 'hi' })
    // @ts-expect-error text is a string
    await ann.send('say', { text: 1 })
    // @ts-expect-error the server has no such event
    await ann.next('shouted')
    // @ts-expect-error the input is missing
    await ann.call('rename')
    // @ts-expect-error seen is a boolean
    ann.answer({ confirm: ({ order }) => ({ seen: order }) })
    const event = await ann.next()
    if (event.type === 'said') event.data.text satisfies string
    // @ts-expect-error `auth` needs a contract
    await testClient(app, '/raw', { auth: 'Ann' })
  }
  expect(use).toBeInstanceOf(Function)
})

function withResolvers(): { promise: Promise<unknown>; resolve: (value: unknown) => void } {
  let resolve!: (value: unknown) => void
  const promise = new Promise<unknown>((found) => (resolve = found))
  return { promise, resolve }
}
