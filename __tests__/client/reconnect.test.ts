import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import { type Client, type ClientState, type CloseInfo, RejectedError } from '../../src/client.ts'
import { closeServers, eventually } from '../support/server.ts'
import { startChat } from './chat-app.ts'
import { atEnd, type Chat, closeAll, enters, Network, next, open, scripted, statesOf } from './support.ts'

afterEach(async () => {
  await closeAll()
  await closeServers()
})

const rename = { name: 'Ann' }

describe('a lost connection', () => {
  test('comes back after the server has restarted on the same port', async () => {
    const first = await startChat()
    const client = open(first.url)
    const states = statesOf(client)
    await client.ready()
    const lost = enters(client, 'waiting')
    await first.app.close()
    await lost
    const second = await startChat({ port: first.port })
    await client.ready()
    expect(await client.call('rename', rename)).toEqual(rename)
    expect(second.count()).toBe(1)
    expect(states.slice(0, 2)).toEqual(['open', 'waiting'])
    expect(states.at(-1)).toBe('open')
  })

  test('rejects the calls that ran, and there is one connection afterwards', async () => {
    const server = await startChat()
    const network = await Network.start(server.port)
    const client = open(network.url('/chat'))
    await client.ready()
    for (let round = 0; round < 5; round++) {
      const calls = [client.call('wait'), client.call('rename', rename)]
      network.cut()
      const results = await Promise.allSettled(calls)
      expect(results.map((result) => result.status === 'rejected' && result.reason.code)).toEqual(
        Array(2).fill('CONNECTION_LOST')
      )
      await client.ready()
      expect(await client.call('rename', rename)).toEqual(rename)
    }
    await eventually(() => server.count() === 1)
    expect(network.open).toBe(1)
  })

  test.each([1, 100, 200, 300, 320])('comes back if it is cut after %i bytes', async (bytes) => {
    const server = await startChat()
    const network = await Network.start(server.port)
    network.cutAfter = bytes
    const client = open(network.url('/chat'))
    const heard: string[] = []
    client.on('said', ({ text }) => heard.push(text))
    const long = 'a'.repeat(200)
    await enters(client, 'open')
    // The answer to this one may be cut in its middle.
    await client.send('say', { text: long }).catch(() => {})
    await eventually(() => network.count === 2 && client.state === 'open')
    const said = next(client, 'said')
    await client.send('say', { text: 'whole' })
    await said
    expect(heard.at(-1)).toBe('whole')
    expect(heard.slice(0, -1).every((text) => text === long)).toBe(true)
    await eventually(() => server.count() === 1)
  })

  test('is tried again while the server refuses', async () => {
    const server = await startChat()
    const network = await Network.start(server.port)
    network.refuseWith = 503
    const client = open(network.url('/chat'))
    const errors: Error[] = []
    client.on('error', (error) => errors.push(error))
    await eventually(() => network.count > 4)
    network.refuseWith = undefined
    await client.ready()
    expect(errors).toEqual([])
    expect(server.count()).toBe(1)
  })

  test('waits longer after each attempt, up to a limit', async () => {
    const random = jest.spyOn(Math, 'random').mockReturnValue(0.999)
    atEnd(() => random.mockRestore())
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    atEnd(() => server.close())
    const times: number[] = []
    server.on('upgrade', (_request, socket) => {
      times.push(performance.now())
      socket.destroy()
    })
    open(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/`, { reconnect: { min: 40, max: 160 } })
    await eventually(() => times.length === 6)
    const waits = times.slice(1).map((time, i) => time - (times[i] as number))
    // A timer may fire late, and a millisecond early.
    for (const [i, least] of [39, 79, 158, 158, 158].entries()) expect(waits[i]).toBeGreaterThan(least - 2)
  })
})

describe('the end of a connection', () => {
  const outcome = async (script: (count: number) => [code: number | undefined, goodbye?: object]): Promise<string> => {
    const server = await scripted(({ socket, notify }, count) => {
      const [code, goodbye] = script(count)
      if (goodbye !== undefined) notify('rpc.goodbye', goodbye)
      if (code === 0) socket.terminate()
      else if (code !== -1) socket.close(code)
    })
    const client = open(server.url)
    const states = statesOf(client)
    await eventually(() => client.state === 'closed' || server.frames.length > 1)
    return states.includes('closed') ? 'closed' : 'back'
  }

  test.each([1000, 1002, 1003, 1007, 1008, 1009, 1010, 4400, 4403, 4499])('%i is final', async (code) => {
    expect(await outcome(() => [code])).toBe('closed')
  })

  test.each([0, 1001, 1011, 1012, 1013, 1014, 3000, 4000, 4399, 4500, undefined])(
    'after %p it comes back',
    async (code) => {
      expect(await outcome((count) => (count === 1 ? [code] : [-1]))).toBe('back')
    }
  )

  test('what the server says counts more than the code', async () => {
    expect(await outcome(() => [1012, { reconnect: false }])).toBe('closed')
    expect(await outcome(() => [4401, { reconnect: false }])).toBe('closed')
    expect(await outcome(() => [0, { reconnect: false }])).toBe('closed')
    expect(await outcome((count) => (count === 1 ? [1000, { reconnect: true }] : [-1]))).toBe('back')
  })

  test('the server says when to come back', async () => {
    const server = await scripted(({ socket, notify }, count) => {
      if (count > 1) return
      notify('rpc.goodbye', { reconnect: true, after: 100, within: 20 })
      socket.close(1012)
    })
    const client = open(server.url, { reconnect: { min: 1, max: 1 } })
    await enters(client, 'waiting')
    const start = performance.now()
    await client.ready()
    expect(performance.now() - start).toBeGreaterThan(98)
  })

  test.each([
    [0, 1_000],
    [0.5, 1_030],
    [1, 1_060]
  ])('a client whose random number is %d comes back after %i ms of 1000 to 1060', async (random, delay) => {
    const server = await scripted(({ socket, notify }) => {
      notify('rpc.goodbye', { reconnect: true, after: 1_000, within: 60 })
      socket.close(1001)
    })
    const client = open(server.url, { reconnect: { min: 1, max: 1 } })
    await enters(client, 'open')
    jest.spyOn(Math, 'random').mockReturnValue(random)
    const timers = jest.spyOn(globalThis, 'setTimeout')
    try {
      await enters(client, 'waiting')
      expect(timers.mock.calls.map(([, time]) => time)).toContain(delay)
    } finally {
      jest.restoreAllMocks()
    }
  })

  test('an application that closes with a final code is obeyed, one that drops is not', async () => {
    const server = await startChat()
    const client = open(server.url)
    await client.ready()
    for (const ws of server.app.wsHub.getClients()) ws.terminate()
    await enters(client, 'open')
    expect(client.closeInfo).toBeUndefined()
    const closed = enters(client, 'closed')
    for (const ws of server.app.wsHub.getClients()) void ws.close(4403, 'not you')
    await closed
    expect(client.closeInfo).toEqual({ code: 4403, reason: 'not you' })
    await expect(client.ready()).rejects.toMatchObject({
      code: 'CLOSED',
      message: expect.stringContaining('4403 not you')
    })
    await expect(client.send('leave')).rejects.toMatchObject({ code: 'CLOSED' })
  })
})

describe('the state says why', () => {
  test('a connection has ended', async () => {
    const server = await startChat()
    const client = open(server.url)
    const closes = closesOf(client)
    await client.ready()
    const closed = enters(client, 'closed')
    for (const ws of server.app.wsHub.getClients()) void ws.close(4403, 'not you')
    await closed
    expect(closes).toEqual([
      ['open', undefined],
      ['closed', { code: 4403, reason: 'not you' }]
    ])
  })

  test('an attempt has failed', async () => {
    const server = await startChat()
    const urls = [`${server.url}/nowhere`, `ws://127.0.0.1:${await freePort()}/`, server.url]
    const client = open(() => urls.shift() as string)
    const closes = closesOf(client)
    await client.ready()
    expect(closes.filter(([state]) => state === 'waiting')).toEqual([
      ['waiting', { code: 1006, reason: 'Unexpected server response: 404' }],
      ['waiting', { code: 1006, reason: expect.stringContaining('ECONNREFUSED') }]
    ])
  })

  test('the host has several addresses, and none answers', async () => {
    const client = open(`ws://localhost:${await freePort()}/`)
    const closes = closesOf(client)
    await enters(client, 'waiting')
    expect(closes[0]?.[1]?.reason).toContain('ECONNREFUSED')
  })

  test('nothing if the client was closed here', async () => {
    const client = open((await startChat()).url)
    await client.ready()
    const closes = closesOf(client)
    client.close()
    expect(closes).toEqual([['closed', undefined]])
  })
})

/** The states that a client enters from now on, and why. */
function closesOf(client: Client<Chat>): [ClientState, CloseInfo | undefined][] {
  const closes: [ClientState, CloseInfo | undefined][] = []
  client.on('state', (state, close) => closes.push([state, close]))
  return closes
}

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

describe('auth', () => {
  test('is asked for before each attempt, and sent', async () => {
    const server = await scripted(({ socket }, count) => count < 3 && socket.terminate())
    let asked = 0
    const client = open(server.url, { auth: async () => ({ token: ++asked }) })
    await eventually(() => server.frames.length === 3 && client.state === 'open')
    const tokens = server.frames.map(({ params }) => (params as { auth: object }).auth)
    expect(tokens).toEqual([{ token: 1 }, { token: 2 }, { token: 3 }])
  })

  test('is asked for again after 4401, at most three times in a row', async () => {
    const server = await startChat()
    let asked = 0
    const client = open(server.url, { auth: () => (asked++, 'wrong') })
    const errors: Error[] = []
    client.on('error', (error) => errors.push(error))
    await expect(client.ready()).rejects.toMatchObject({ code: 'CLOSED', message: expect.stringContaining('4401') })
    expect(client.state).toBe('closed')
    expect(asked).toBe(4)
    expect(errors).toHaveLength(4)
    expect(errors[0]).toBeInstanceOf(RejectedError)
    expect(errors[0]).toMatchObject({ method: 'rpc.hello', message: 'rpc.hello: unauthorized' })
  })

  test('a new one is enough', async () => {
    const server = await startChat()
    const auths = ['wrong', 'wrong', 'wrong', 'right']
    const client = open(server.url, { auth: () => auths.shift() })
    client.on('error', () => {})
    await client.ready()
    expect(auths).toEqual([])
    expect(server.count()).toBe(1)
  })

  test('backoff and the count begin anew once a connection was open for ten seconds', async () => {
    const server = await scripted(({ socket }, count) => {
      if (count === 4) setTimeout(() => socket.close(4401), 10_200)
      else if (count !== 7) socket.close(4401)
    })
    const client = open(server.url)
    await eventually(() => server.frames.length === 4)
    await enters(client, 'waiting')
    // Without a new count, the refusal of the fourth would be final.
    await eventually(() => server.frames.length === 7 && client.state === 'open')
  })

  test('what `url` or `auth` throw is told, and tried again', async () => {
    const server = await startChat()
    const fail = (message: string) => (): never => {
      throw new Error(message)
    }
    const fine = (): string => server.url
    const attempts: [url: () => string | Promise<string>, auth: () => unknown][] = [
      [fail('url threw'), fine],
      [async () => fail('url rejected')(), fine],
      [() => 'no address', fine],
      [fine, fail('auth threw')],
      [fine, async () => fail('auth rejected')()],
      [fine, () => 1n],
      [fine, fine]
    ]
    let auth: () => unknown
    const url = (): string | Promise<string> => {
      const attempt = attempts.shift()!
      auth = attempt[1]
      return attempt[0]()
    }
    const client = open(url, { auth: () => auth() })
    const errors: string[] = []
    client.on('error', ({ message }) => errors.push(message))
    await client.ready()
    expect(errors).toEqual([
      'url threw',
      'url rejected',
      expect.stringContaining('URL'),
      'auth threw',
      'auth rejected',
      expect.stringContaining('BigInt')
    ])
  })

  test('one that hangs is given up', async () => {
    const server = await startChat()
    let asked = 0
    const client = open(server.url, { auth: () => (++asked === 1 ? new Promise(() => {}) : undefined), timeout: 30 })
    expect(await next(client, 'error')).toMatchObject({ code: 'TIMEOUT' })
    await client.ready()
    expect([asked, server.count()]).toEqual([2, 1])
  })

  test('one that comes too late is not used', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    await once(server, 'listening')
    atEnd(() => server.close())
    let connections = 0
    server.on('connection', () => connections++)
    let answer!: (auth: string) => void
    const asked = new Promise<void>((resolve) => {
      const client = open(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/`, {
        auth: () => {
          setImmediate(() => {
            client.close()
            resolve()
          })
          return new Promise((done) => (answer = done))
        }
      })
    })
    await asked
    answer('late')
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(connections).toBe(0)
  })
})
