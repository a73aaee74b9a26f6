import Fastify from 'fastify'
import { EventLoopDelay } from '../../src/health/event-loop-delay.ts'
import blazeWs, { type BrokerNode, memoryBroker, MemoryEngine } from '../../src/index.ts'
import { gate } from '../contract/support.ts'
import { RawClient } from '../support/raw-client.ts'
import { closeServers, connect, eventually, startServer } from '../support/server.ts'

afterEach(closeServers)

test('a server is ready from its start until it closes', async () => {
  const app = Fastify()
  await app.register(blazeWs)
  expect(app.wsHealth()).toEqual({
    isReady: false,
    isShuttingDown: false,
    isDegraded: false,
    connections: 0,
    pendingUpgrades: 0,
    eventLoopDelay: 0
  })
  await app.ready()
  expect(app.wsHealth()).toMatchObject({ isReady: true, isShuttingDown: false })
  const closing = app.close()
  expect(app.wsHealth()).toMatchObject({ isReady: false, isShuttingDown: true })
  await closing
  expect(app.wsHealth()).toMatchObject({ isReady: false, isShuttingDown: true })
})

test('counts open connections and pending upgrades', async () => {
  const hook = gate()
  const { app, port, ws } = await startServer((instance) => {
    instance.webSocket('/ws', async (ws) => {
      for await (const _ of ws);
    })
    instance.webSocket('/slow', { preHandler: () => hook.promise }, () => {})
  })
  const client = await connect(ws('/ws'))
  new RawClient(port).handshake('/slow')
  await eventually(() => app.wsHealth().pendingUpgrades === 1)
  expect(app.wsHealth().connections).toBe(1)
  hook.open()
  client.socket.close()
  await eventually(() => app.wsHealth().pendingUpgrades + app.wsHealth().connections === 0)
})

test('is degraded and stays ready while the engine is away', async () => {
  let isAway = false
  let node: BrokerNode | undefined
  const broker = memoryBroker({ engine: new MemoryEngine() })
  const open = broker.open.bind(broker)
  broker.open = (opened) => {
    node = opened
    open(opened)
  }
  broker.check = async () => {
    if (isAway) throw new Error('away')
  }
  const { app } = await startServer(() => {}, { hub: { broker } })
  expect(app.wsHealth()).toMatchObject({ isReady: true, isDegraded: false })
  isAway = true
  node?.lost(new Error('away'))
  expect(app.wsHealth()).toMatchObject({ isReady: true, isDegraded: true })
  isAway = false
  await eventually(() => !app.wsHealth().isDegraded)
})

test('sees an event loop that stands still', async () => {
  const delay = new EventLoopDelay()
  expect(delay.longest).toBe(0)
  await eventually(() => {
    const end = performance.now() + 150
    while (performance.now() < end);
    return delay.longest > 100
  })
  delay.stop()
})

test('measures nothing after its end', async () => {
  const delay = new EventLoopDelay()
  delay.stop()
  expect(delay.longest).toBe(0)
  await new Promise((resolve) => setTimeout(resolve, 50))
  const end = performance.now() + 150
  while (performance.now() < end);
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(delay.longest).toBe(0)
})
