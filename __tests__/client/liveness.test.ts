import { closeServers, eventually } from '../support/server.ts'
import { startChat } from './chat-app.ts'
import { closeAll, enters, Network, open, scripted, statesOf } from './support.ts'

afterEach(async () => {
  await closeAll()
  await closeServers()
})

test('the pings of the server keep a silent connection', async () => {
  const server = await startChat({ config: { pingInterval: 100 } })
  const client = open(server.url)
  await client.ready()
  const states = statesOf(client)
  await new Promise((resolve) => setTimeout(resolve, 600))
  expect(states).toEqual([])
})

test('a connection that has frozen is replaced', async () => {
  const server = await startChat({ config: { pingInterval: 200, pongTimeout: 500 } })
  const network = await Network.start(server.port)
  const client = open(network.url('/chat'))
  await client.ready()
  const call = client.call('rename', { name: 'Ann' }).catch((error: { code: string }) => error.code)
  network.freeze()
  await enters(client, 'waiting')
  await client.ready()
  expect(['CONNECTION_LOST', { name: 'Ann' }]).toContainEqual(await call)
  expect(await client.call('rename', { name: 'Cid' })).toEqual({ name: 'Cid' })
  // The server finds out as well.
  await eventually(() => server.count() === 1)
  expect(client.state).toBe('open')
})

test('a server without a heartbeat may be silent', async () => {
  const server = await scripted(() => {})
  const client = open(server.url)
  await client.ready()
  const states = statesOf(client)
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect(states).toEqual([])
})

test('a server that is silent from the start is given up', async () => {
  const server = await scripted(() => {}, { isSilent: true })
  const client = open(server.url, { timeout: 40 })
  await enters(client, 'waiting')
  await eventually(() => server.frames.length === 3)
  await eventually(() => server.server.clients.size <= 1)
})

test('after a sleep the connection is probed, not dropped', async () => {
  const server = await scripted(({ notify }) => void timers.push(setInterval(() => notify('rpc.ping'), 20)), {
    heartbeat: 100
  })
  const timers: NodeJS.Timeout[] = []
  const client = open(server.url)
  await client.ready()
  const states = statesOf(client)
  const now = jest.spyOn(Date, 'now').mockImplementation(() => performance.timeOrigin + performance.now() + 3_600_000)
  await eventually(() => server.frames.some(({ method }) => method === 'rpc.ping'))
  now.mockRestore()
  for (const timer of timers) clearInterval(timer)
  expect(states).toEqual([])
})
