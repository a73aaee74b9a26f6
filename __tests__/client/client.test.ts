import { WebSocket } from 'ws'
import { ClientError, connect, ContractError, isContractError, RejectedError } from '../../src/client.ts'
import { closeServers, eventually } from '../support/server.ts'
import { startChat } from './chat-app.ts'
import { atEnd, type Chat, chat, closeAll, enters, next, open, reportsOf, scripted, statesOf } from './support.ts'

afterEach(async () => {
  await closeAll()
  await closeServers()
})

describe('events', () => {
  test('go both ways, in order', async () => {
    const client = open((await startChat()).url)
    const heard: unknown[] = []
    client.on('said', ({ text }, position) => heard.push([text, position]))
    await client.ready()
    void client.send('say', { text: 'a' })
    await client.send('say', { text: 'b' })
    await next(client, 'said')
    if (heard.length < 2) await next(client, 'said')
    const position = { room: undefined, offset: undefined }
    expect(heard).toEqual([
      ['a', position],
      ['b', position]
    ])
  })

  test('without data', async () => {
    const server = await startChat()
    const client = open(server.url)
    await client.ready()
    const bye = next(client, 'bye')
    server.app.wsHub.broadcast(chat, 'bye')
    expect(await bye).toBeUndefined()
    const closed = enters(client, 'closed')
    await client.send('leave')
    await closed
  })

  test('a listener that throws, or rejects, does not disturb others; what it throws is told', async () => {
    const reports = reportsOf()
    const client = open((await startChat()).url)
    client.on('said', () => {
      throw new Error('thrown by a listener')
    })
    client.on('said', async () => {
      throw new Error('rejected by a listener')
    })
    const said = next(client, 'said')
    await client.ready()
    await client.send('say', { text: 'a' })
    expect(await said).toEqual({ text: 'a' })
    expect(await client.call('rename', { name: 'Ann' })).toEqual({ name: 'Ann' })
    expect(reports).toEqual(['thrown by a listener', 'rejected by a listener'])
  })

  test('`off` removes a listener', async () => {
    const client = open((await startChat()).url)
    const heard: string[] = []
    const listener = ({ text }: { text: string }): void => void heard.push(text)
    client.on('said', listener).off('said', listener)
    await client.ready()
    const said = next(client, 'said')
    await client.send('say', { text: 'a' })
    await said
    expect(heard).toEqual([])
  })

  test('an event that the server rejects is an error', async () => {
    const client = open((await startChat()).url)
    await client.ready()
    const rejected = next(client, 'error')
    await client.send('say', { text: 1 } as never)
    const error = (await rejected) as RejectedError
    expect(error).toBeInstanceOf(RejectedError)
    expect(error).toMatchObject({
      method: 'say',
      code: -32_602,
      message: expect.stringMatching(/^say: Invalid params \(\/text: .+\)$/),
      data: [{ path: '/text', message: expect.any(String) }]
    })
    const unknown = next(client, 'error')
    await client.send('nothing' as 'leave')
    expect(await unknown).toMatchObject({ method: 'nothing', code: -32_601 })
  })

  test.each([5, 'text', null, new Date(), () => {}])('the data %p is refused', async (data) => {
    const client = open((await startChat()).url)
    await client.ready()
    await expect(client.send('say', data as never)).rejects.toThrow(TypeError)
    await expect(client.call('rename', data as never)).rejects.toThrow(TypeError)
  })

  test('a server cannot make events of the client itself', async () => {
    const server = await scripted(({ notify }) => {
      for (const event of ['state', 'gap', 'error', 'rpc.news']) notify(event, { from: 'server' })
      notify('said', { text: 'a' })
    })
    const client = open(server.url)
    const heard: unknown[] = []
    for (const event of ['state', 'gap', 'error', 'rpc.news'])
      client.on(event as never, (data: unknown) => heard.push(data))
    await next(client, 'said')
    expect(heard).toEqual(['open'])
  })

  test('messages that break the rules change nothing', async () => {
    const reports = reportsOf()
    const server = await scripted(({ notify, socket }) => {
      for (const method of ['rpc.error', 'rpc.joined', 'rpc.left', 'rpc.goodbye', 'rpc.ping']) notify(method)
      for (const text of ['{"method":5}', '{"method":null}', '{"id":"c1","error":5}', '{"id":1,"method":"toString"}'])
        socket.send(text)
      notify('said', { text: 'a' }, { room: 5, offset: 'x' })
      notify('bye')
    })
    const client = open(server.url)
    await next(client, 'bye')
    expect(client.state).toBe('open')
    expect(reports.length).toBeGreaterThan(0)
    await eventually(() => server.frames.length === 2)
    expect(server.frames[1]).toMatchObject({ id: 1, error: { code: -32_601 } })
  })

  test('what is no message is ignored, and a batch is read', async () => {
    const server = await scripted(({ socket, notify }) => {
      for (const text of ['', '{', 'null', '5', '[]', '[null]', '{}', '{"id":"c9","result":1}']) socket.send(text)
      socket.send(Buffer.from('{"method":"said"}'), { binary: true })
      socket.send('[{"jsonrpc":"2.0","method":"said","params":{"text":"a"}},{"jsonrpc":"2.0","method":"bye"}]')
      notify('said', { text: 'b' })
    })
    const client = open(server.url)
    const heard: unknown[] = []
    client.on('said', ({ text }) => heard.push(text)).on('bye', () => heard.push('bye'))
    await next(client, 'bye')
    await next(client, 'said')
    expect(heard).toEqual(['a', 'bye', 'b'])
  })
})

describe('calls', () => {
  test('resolve with the answer', async () => {
    const client = open((await startChat()).url)
    await client.ready()
    const names = await Promise.all(['Ann', 'Cid'].map((name) => client.call('rename', { name })))
    expect(names).toEqual([{ name: 'Ann' }, { name: 'Cid' }])
  })

  test('reject with an error of the contract', async () => {
    const client = open((await startChat()).url)
    await client.ready()
    const error = await client.call('rename', { name: 'Bob' }).catch((e: unknown) => e)
    expect(error).toBeInstanceOf(ContractError)
    expect(error).toMatchObject({ code: 'taken', message: 'taken by Bob', data: { by: 'Bob' } })
    expect(isContractError(error, chat, 'rename')).toBe(true)
  })

  test('reject if the server does not take the input, or fails', async () => {
    const client = open((await startChat()).url)
    await client.ready()
    await expect(client.call('rename', {} as never)).rejects.toMatchObject({ name: 'RejectedError', code: -32_602 })
    await expect(client.call('fail')).rejects.toMatchObject({
      code: -32_603,
      message: 'fail: internal error',
      method: 'fail'
    })
    await expect(client.call('nothing' as 'fail')).rejects.toMatchObject({ code: -32_601 })
  })

  test('stop waiting after a while, or when told', async () => {
    const server = await startChat()
    const client = open(server.url, { timeout: 20 })
    await client.ready()
    await expect(client.call('wait')).rejects.toMatchObject({ name: 'ClientError', code: 'TIMEOUT' })
    await expect(client.call('wait', undefined, { timeout: 1 })).rejects.toMatchObject({ code: 'TIMEOUT' })
    const controller = new AbortController()
    const call = client.call('wait', undefined, { signal: controller.signal, timeout: Infinity })
    controller.abort(new Error('enough'))
    await expect(call).rejects.toThrow('enough')
    await expect(client.call('wait', undefined, { signal: controller.signal })).rejects.toThrow('enough')
    expect(client.state).toBe('open')
  })
})

describe('asks', () => {
  const answerOf = async (
    confirm?: (input: { id: number }) => { ok: boolean } | Promise<{ ok: boolean }>
  ): Promise<string> => {
    const client = open((await startChat()).url)
    if (confirm !== undefined) client.answer({ confirm })
    await client.ready()
    return (await client.call('ask')).answer
  }

  test('are answered', async () => {
    expect(await answerOf(async ({ id }) => ({ ok: id === 1 }))).toBe('true')
  })

  test('with an error of the contract', async () => {
    const fail = (): never => {
      throw new ContractError('busy', 'not now', { until: 5 })
    }
    expect(await answerOf(fail)).toBe('ContractError busy not now')
  })

  test('with an internal error, whose message stays here', async () => {
    const reports = reportsOf()
    const fail = (): never => {
      throw new Error('a secret of the page')
    }
    expect(await answerOf(fail)).toBe('AskError UNANSWERED the client answered with the error -32603: internal error')
    expect(reports).toEqual(['a secret of the page'])
  })

  test('not at all without a function', async () => {
    expect(await answerOf()).toMatch(/^AskError UNANSWERED .* -32601/)
  })
})

describe('connect', () => {
  test('the contract may be given, and the socket opens in a later task', async () => {
    const server = await startChat()
    const client = connect(chat, { url: server.url, WebSocket })
    atEnd(() => client.close())
    const states = statesOf(client)
    expect(client.state).toBe('connecting')
    await Promise.resolve()
    expect(states).toEqual([])
    await client.ready()
    expect([client.state, states]).toEqual(['open', ['open']])
    await client.ready()
  })

  test.each([
    ['url', { url: undefined }],
    ['auth', { auth: 'token' }],
    ['reconnect', { reconnect: { min: 0 } }],
    ['reconnect', { reconnect: { max: Number.NaN } }],
    ['timeout', { timeout: -1 }]
  ])('an invalid %s is named', (option, options) => {
    expect(() => connect({ url: 'ws://x', WebSocket, ...options } as never)).toThrow(`the option ${option} must be`)
  })

  test('errors have codes', () => {
    expect(new ClientError('OFFLINE', 'x')).toMatchObject({ name: 'ClientError', code: 'OFFLINE' })
  })
})

const hasWebSocket = 'WebSocket' in globalThis
const describeWithGlobal = hasWebSocket ? describe : describe.skip
const describeWithoutGlobal = hasWebSocket ? describe.skip : describe

describeWithGlobal('with the global WebSocket', () => {
  test('it is the default', async () => {
    const server = await startChat()
    const client = connect<Chat>({ url: server.url, reconnect: { min: 10, max: 50 } })
    atEnd(() => client.close())
    await client.ready()
    expect(await client.call('rename', { name: 'Ann' })).toEqual({ name: 'Ann' })
    const lost = enters(client, 'waiting')
    for (const ws of server.app.wsHub.getClients()) ws.terminate()
    await lost
    await client.ready()
    const closed = enters(client, 'closed')
    await client.send('leave')
    await closed
  })

  test('it is tried again if nobody listens', async () => {
    const client = connect<Chat>({ url: 'ws://127.0.0.1:1/', reconnect: { min: 1, max: 1 } })
    atEnd(() => client.close())
    await enters(client, 'waiting')
    await enters(client, 'waiting')
  })
})

describeWithoutGlobal('without a global WebSocket', () => {
  test('the option is needed', () => {
    expect(() => connect({ url: 'ws://127.0.0.1/' })).toThrow('the option WebSocket must be a class, such as that of')
  })
})
