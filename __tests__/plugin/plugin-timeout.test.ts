import { promisify } from 'node:util'
import type { FastifyServerOptions } from 'fastify'
import { type Broker, memoryBroker } from '../../src/index.ts'
import { closeServers, connect, startServer } from '../support/server.ts'

afterEach(closeServers)

// Fastify fails a start or a close if its hooks take longer than `pluginTimeout`.

const never = new Promise<never>(() => {})

/** A broker whose engine accepts every call and never answers; the methods in `answers` are those of a memory broker. */
function silentBroker(...answers: (keyof Broker)[]): Broker {
  const working = memoryBroker()
  const silent = Object.fromEntries(
    ['publish', 'subscribe', 'unsubscribe', 'check', 'close'].map((method) => [method, () => never])
  )
  const real = Object.fromEntries(
    ['open', ...answers].map((method) => [
      method,
      (...args: unknown[]) => Reflect.apply(working[method as 'open'], working, args)
    ])
  )
  return { ...silent, ...real } as unknown as Broker
}

describe('a server starts even if its engine does not answer', () => {
  test.each<[string, FastifyServerOptions, (keyof Broker)[]]>([
    ['with a short pluginTimeout', { pluginTimeout: 300 }, ['close']],
    ['with a pluginTimeout just under our own timeout', { pluginTimeout: 1_999 }, ['close']],
    ['without a pluginTimeout', { pluginTimeout: 0 }, ['close']],
    ['if it answers a check, but no subscription', { pluginTimeout: 300 }, ['check', 'publish', 'close']]
  ])('%s', async (_, fastify, answers) => {
    const { app, ws } = await startServer(
      (instance) => {
        instance.webSocket('/ws', async (ws) => {
          instance.wsHub.register(ws)
          await ws.writeText(`clients: ${instance.wsHub.getClientCount()}`)
          await ws.readMessage()
        })
      },
      { fastify, hub: { broker: silentBroker(...answers) } }
    )
    const client = await connect(ws('/ws'))
    expect(await client.next()).toBe('clients: 1')
    await app.close()
  })
})

test('app.close() does not wait for a broker that never closes', async () => {
  const { app } = await startServer(() => {}, { fastify: { pluginTimeout: 300 }, hub: { broker: silentBroker() } })
  await app.close()
})

test('app.close() may take as long as shutdown allows, even beyond pluginTimeout, and keeps the order of hooks', async () => {
  const order: string[] = []
  const { app, ws, logs } = await startServer(
    async (instance) => {
      instance.webSocket('/late', async (ws) => {
        ws.signal.addEventListener('abort', () => order.push('late gone'))
        await new Promise((resolve) => setTimeout(resolve, 600))
        await ws.writeText('done')
      })
      instance.webSocket('/stuck', () => never)
      instance.addHook('preClose', async () => void order.push('preClose of another'))
      // Stands for a hook that closes a database that handlers still need.
      instance.addHook('onClose', async () => {
        const open = await promisify(instance.server.getConnections.bind(instance.server))()
        order.push(`onClose of another, ${open} connections`)
      })
    },
    { fastify: { pluginTimeout: 300 }, shutdown: { grace: 900, timeout: 2_000 } }
  )
  const [late, stuck] = [await connect(ws('/late')), await connect(ws('/stuck'))]
  await app.close()
  expect(await late.next()).toBe('done')
  expect((await late.close()).code).toBe(1001)
  expect((await stuck.close()).code).toBe(1001)
  expect(order).toEqual(['preClose of another', 'late gone', 'onClose of another, 0 connections'])
  expect(logs.filter(({ level }) => level >= 40)).toEqual([])
})
