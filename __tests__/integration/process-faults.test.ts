import { ensureDist } from '../support/dist.ts'
import { endFaultServers, FaultServer } from '../support/fault-server.ts'
import { clientFrame, dropRawClients, RawClient } from '../support/raw-client.ts'
import { connect, eventually, type TestClient } from '../support/server.ts'

beforeAll(() => ensureDist(), 60_000)

const clients: TestClient[] = []

afterEach(async () => {
  for (const { socket } of clients.splice(0)) socket.terminate()
  dropRawClients()
  await endFaultServers()
})

async function connectMany(count: number, url: string): Promise<TestClient[]> {
  const many = await Promise.all(Array.from({ length: count }, () => connect(url)))
  clients.push(...many)
  return many
}

/** The next message that is not a broadcast. */
async function answer(client: TestClient): Promise<string> {
  for (;;) {
    const text = await client.next()
    if (text !== 'tick') return text
  }
}

async function echoes(client: TestClient, text: string): Promise<void> {
  client.socket.send(text)
  expect(await answer(client)).toBe(text)
}

/** Waits for this many more pings from the server. */
async function pings(client: TestClient, count: number): Promise<void> {
  let seen = 0
  const onPing = (): void => void seen++
  client.socket.on('ping', onPing)
  // Broadcasts arrive all the time, so the condition is checked often.
  await client.until(() => seen >= count || client.closed !== undefined)
  client.socket.off('ping', onPing)
  expect(client.closed).toBeUndefined()
}

describe('SIGTERM under load', () => {
  const timeout = 8_000

  test('requests in flight are answered, every client gets 1001, and the process ends in time', async () => {
    const server = await FaultServer.start({ shutdown: { timeout } })
    const workers = await connectMany(50, server.ws('/work'))
    const talkers = await connectMany(50, server.ws('/echo'))
    const talk = setInterval(() => talkers.forEach(({ socket }) => socket.send('hello')), 10)
    for (const [i, { socket }] of workers.entries()) socket.send(`job ${i}`)
    await eventually(async () => (await server.ask('report')).busy === workers.length)
    const from = performance.now()
    server.process.kill('SIGTERM')
    expect(await Promise.all(workers.map(answer))).toEqual(workers.map((_, i) => `done: job ${i}`))
    const closed = await Promise.all([...workers, ...talkers].map((client) => client.close()))
    clearInterval(talk)
    expect(new Set(closed.map(({ code }) => code))).toEqual(new Set([1001]))
    expect(await server.exited).toEqual([0, null])
    expect(performance.now() - from).toBeLessThan(timeout)
  })

  // Without that option, Node's HTTP server waits for the other half, with or without upgrade listeners.
  test('with forceCloseConnections, a client that has sent half a request does not delay the end', async () => {
    const server = await FaultServer.start({ shutdown: { timeout }, forceCloseConnections: true })
    const [client] = (await connectMany(1, server.ws('/echo'))) as [TestClient]
    new RawClient(server.port).socket.write('GET /echo HTTP/1.1\r\nHost: localhost\r\nConnec')
    await echoes(client, 'the half request is there, too')
    const from = performance.now()
    server.process.kill('SIGTERM')
    expect(await client.close()).toMatchObject({ code: 1001 })
    expect(await server.exited).toEqual([0, null])
    expect(performance.now() - from).toBeLessThan(timeout)
  })
})

describe('event loop and clock', () => {
  const config = { pingInterval: 1_000, pongTimeout: 1_500, readTimeout: 2_000 }

  test('blocking the event loop for 5 s disconnects no healthy client', async () => {
    const server = await FaultServer.start({ config })
    const many = await connectMany(20, server.ws('/echo'))
    // Only pongs keep them alive; some pings are still unanswered when the loop is blocked.
    await Promise.all(many.map((client) => pings(client, 1)))
    await server.ask('block', { time: 5_000 })
    await Promise.all(many.map((client) => pings(client, 3)))
    for (const client of many) await echoes(client, 'still here')
    expect((await server.ask('report')).hub.clients).toBe(20)
  })

  test('blocking the event loop in short intervals disconnects no healthy client', async () => {
    const server = await FaultServer.start({ config })
    const many = await connectMany(20, server.ws('/echo'))
    for (let i = 0; i < 12; i++) await server.ask('block', { time: 400 })
    await Promise.all(many.map((client) => pings(client, 2)))
    expect((await server.ask('report')).hub.clients).toBe(20)
  })

  test('setting the clock forward and back by an hour disconnects no client and stops no heartbeat', async () => {
    const server = await FaultServer.start({ config })
    const [client] = (await connectMany(1, server.ws('/echo'))) as [TestClient]
    for (const hours of [1, -1, 0]) {
      const { date } = await server.ask('clock', { offset: hours * 3_600_000 })
      expect((date - Date.now()) / 3_600_000).toBeCloseTo(hours, 1)
      await pings(client, 2)
      await echoes(client, `at ${hours} h`)
      const [late] = (await connectMany(1, server.ws('/echo'))) as [TestClient]
      await echoes(late, 'a new one')
    }
  })

  test('still notices a client that is gone', async () => {
    const server = await FaultServer.start({ config })
    const mute = await new RawClient(server.port).open('/echo')
    await server.ask('clock', { offset: -3_600_000 })
    await eventually(() => mute.isEnded, 'the end of the client that answers no ping')
    // The peer sees the close before the server has emitted it.
    await eventually(async () => (await server.ask('report')).hub.clients === 0, 'its removal from the hub')
  })
})

test('without free file descriptors, connected clients are served, and new ones again after some have left', async () => {
  // Node.js opens many modules at once while the server starts.
  const server = await FaultServer.start({ files: 128 })
  const there: RawClient[] = []
  const isAccepted = async (): Promise<boolean> => {
    const client = new RawClient(server.port)
    // A connection that is not accepted at once may be accepted later: it must not take the free slot.
    const isOpen = await client.open('/work').then(
      () => true,
      () => false
    )
    if (isOpen) there.push(client)
    else client.reset()
    return isOpen
  }
  while (await isAccepted());
  expect(there.length).toBeGreaterThan(10)
  for (const client of there) client.socket.write(clientFrame(1, 'hello'))
  for (const client of there) await frameOf(client, 'done: hello')
  for (const client of there.splice(0, 5)) client.reset()
  await eventually(isAccepted, 'a new connection')
  const last = there.at(-1) as RawClient
  last.socket.write(clientFrame(1, 'me, too'))
  await frameOf(last, 'done: me, too')
  expect((await server.ask('report')).faults).toEqual([])
})

async function frameOf(client: RawClient, text: string): Promise<void> {
  while ((await client.frame()).payload.toString() !== text);
}

describe('a log that cannot be written', () => {
  test.each(['full', 'throws'] as const)('(%s): connections still open, work and close', async (logger) => {
    const server = await FaultServer.start({ logger, shutdown: { timeout: 8_000 } })
    const [stays, goes, drops] = (await connectMany(3, server.ws('/echo'))) as [TestClient, TestClient, TestClient]
    await server.ask('breakLog')
    const [fails] = (await connectMany(1, server.ws('/fails'))) as [TestClient]
    fails.socket.send('now')
    expect(await fails.close()).toMatchObject({ code: 1011 })
    goes.socket.close(1000)
    expect(await goes.close()).toMatchObject({ code: 1000 })
    drops.socket.terminate()
    await eventually(
      async () => (await server.ask('report')).hub.clients === 1,
      'the removal of the lost client from the hub'
    )
    await echoes(stays, 'still here')
    const [late] = (await connectMany(1, server.ws('/echo'))) as [TestClient]
    await echoes(late, 'a new one')
    const { faults, failedLogs } = await server.ask('report')
    expect(faults).toEqual([])
    expect(failedLogs).toBeGreaterThan(0)
    await server.ask('close')
    expect(await stays.close()).toMatchObject({ code: 1001 })
    expect(await server.exited).toEqual([0, null])
  })
})
