import { once } from 'node:events'
import { WebSocket } from 'ws'
import { closeServers, eventually } from '../support/server.ts'
import { startChat } from './chat-app.ts'
import { closeAll, enters, Network, open, scripted } from './support.ts'

afterEach(async () => {
  await closeAll()
  await closeServers()
})

const say = { text: 'a' }

describe('while offline', () => {
  test('`send` and `call` reject', async () => {
    const server = await startChat()
    const client = open(server.url)
    await expect(client.send('say', say)).rejects.toMatchObject({ name: 'ClientError', code: 'OFFLINE' })
    await expect(client.call('fail')).rejects.toMatchObject({ code: 'OFFLINE' })
    await client.ready()
    await server.app.close()
    await expect(client.send('say', say)).rejects.toMatchObject({ code: 'OFFLINE' })
    await expect(client.call('fail')).rejects.toMatchObject({ code: 'OFFLINE' })
  })

  test('queued events wait, and come first, in order', async () => {
    const server = await startChat()
    const client = open(server.url)
    client.on('state', (state) => {
      if (state === 'open') void client.send('say', { text: 'by a listener' })
    })
    const texts = Array.from({ length: 100 }, (_, i) => String(i))
    const sends = texts.map((text) => client.send('say', { text }, { queue: true }))
    await expect(client.send('say', say, { queue: true })).rejects.toMatchObject({ code: 'QUEUE_FULL' })
    await expect(client.send('say', 5 as never, { queue: true })).rejects.toThrow(TypeError)
    await Promise.all(sends)
    await eventually(() => server.said.length === 101)
    expect(server.said).toEqual([...texts, 'by a listener'])
  })

  test('the queue has room again, and open clients do not need it', async () => {
    const server = await startChat()
    const network = await Network.start(server.port)
    const client = open(network.url('/chat'))
    for (let round = 1; round <= 3; round++) {
      await Promise.all(Array.from({ length: 100 }, () => client.send('say', say, { queue: true })))
      expect(client.state).toBe('open')
      await eventually(() => server.said.length === 100 * round)
      const lost = enters(client, 'waiting')
      network.cut()
      await lost
    }
  })

  test('a connection that is closing takes nothing', async () => {
    const server = await scripted(() => {})
    const sockets: WebSocket[] = []
    class Kept extends WebSocket {
      constructor(url: string, protocol: string) {
        super(url, protocol)
        sockets.push(this)
      }
    }
    const client = open(server.url, { WebSocket: Kept })
    await client.ready()
    sockets[0]?.close(3001)
    expect(client.state).toBe('open')
    await expect(client.send('say', say)).rejects.toMatchObject({ code: 'OFFLINE' })
    await client.send('say', say, { queue: true })
    await eventually(() => server.frames.length === 3)
    expect(server.frames.map(({ method }) => method)).toEqual(['rpc.hello', 'rpc.hello', 'say'])
  })
})

describe('close()', () => {
  test('ends everything that waits, and the connection', async () => {
    const server = await startChat()
    const client = open(server.url)
    await client.ready()
    const call = client.call('wait')
    await client.send('say', { text: 'last' })
    const closed = enters(client, 'closed')
    client.close()
    expect(client.state).toBe('closed')
    await closed
    await expect(call).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(client.ready()).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(client.send('say', say)).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(client.send('say', say, { queue: true })).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(client.call('fail')).rejects.toMatchObject({ code: 'CLOSED' })
    client.close()
    await eventually(() => server.count() === 0)
    // What was sent before went out.
    await eventually(() => server.said.length === 1)
  })

  test('before the socket opens', async () => {
    const server = await startChat()
    const client = open(server.url)
    const ready = client.ready()
    const queued = client.send('say', say, { queue: true })
    client.close()
    await expect(ready).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(queued).rejects.toMatchObject({ code: 'CLOSED' })
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(server.logs.filter(({ msg }) => msg === 'incoming request')).toEqual([])
  })

  test.each(['url', 'auth', 'socket'])('during the step of the %s', async (step) => {
    const server = await startChat()
    let close!: () => void
    const stopped = new Promise<void>((resolve) => {
      const client = open(
        () => {
          if (step === 'url') close()
          return server.url
        },
        {
          auth: () => {
            if (step === 'auth') close()
          },
          WebSocket: class extends WebSocket {
            constructor(url: string, protocol: string) {
              super(url, protocol)
              if (step === 'socket') setImmediate(close)
            }
          }
        }
      )
      close = () => {
        client.close()
        resolve()
      }
    })
    await stopped
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(server.count()).toBe(0)
  })

  test('in a listener of each state', async () => {
    const server = await startChat()
    for (const state of ['open', 'waiting', 'connecting'] as const) {
      const client = open(server.url)
      const states: string[] = []
      client.on('state', (now) => {
        states.push(now)
        if (now === state) client.close()
        else if (now === 'open') for (const ws of server.app.wsHub.getClients()) ws.terminate()
      })
      await enters(client, 'closed')
      expect(states.at(-1)).toBe('closed')
      await eventually(() => server.count() === 0)
      expect(client.state).toBe('closed')
    }
  })

  test('in a listener of an event: nothing comes afterwards', async () => {
    const server = await scripted(({ notify, socket }) => {
      socket.send('[{"jsonrpc":"2.0","method":"said","params":{"text":"a"}},{"jsonrpc":"2.0","method":"bye"}]')
      notify('said', { text: 'b' })
    })
    const client = open(server.url)
    const heard: string[] = []
    const peer = once(server.server, 'connection') as Promise<[WebSocket]>
    client.on('said', ({ text }) => {
      heard.push(text)
      client.close()
    })
    client.on('bye', () => heard.push('bye'))
    const [socket] = await peer
    const [code] = (await once(socket, 'close')) as [number]
    expect([heard, code]).toEqual([['a'], 1000])
  })
})

test('nothing that is not awaited is an unhandled rejection', async () => {
  const client = open('ws://127.0.0.1:1/')
  const unhandled: unknown[] = []
  const listener = (reason: unknown): void => void unhandled.push(reason)
  process.on('unhandledRejection', listener)
  void client.ready()
  void client.send('say', say)
  void client.send('say', say, { queue: true })
  void client.call('fail')
  await enters(client, 'waiting')
  client.close()
  void client.ready()
  await new Promise((resolve) => setTimeout(resolve, 10))
  process.off('unhandledRejection', listener)
  expect(unhandled).toEqual([])
})
