import Fastify, { type FastifyInstance } from 'fastify'
import { defineContract } from 'fastify-blaze-ws/contract'
import { testClient } from 'fastify-blaze-ws/testing'
import blazeWs from '../../src/index.ts'

const clock = defineContract({
  name: 'clock',
  fromClient: { start: { type: 'object', properties: { delay: { type: 'integer' } } } },
  fromServer: { rang: null },
  calls: { time: { output: { type: 'object', properties: { now: { type: 'integer' } } } } }
})

let app: FastifyInstance

beforeEach(async () => {
  app = Fastify()
  await app.register(blazeWs, { config: { pingInterval: 1000, pongTimeout: 2000 } })
  app.webSocketWithContract(
    '/clock',
    clock,
    async (ws) => {
      for await (const { data } of ws) setTimeout(() => void ws.send('rang'), (data as { delay: number }).delay)
    },
    { calls: { time: () => ({ now: Date.now() }) } }
  )
  app.webSocket('/echo', async (ws) => {
    for await (const { type, data } of ws) await ws.writeMessage(type, data)
  })
  await app.ready()
  jest.useFakeTimers()
})

afterEach(async () => {
  jest.useRealTimers()
  await app.close()
})

test('a contract route under fake timers', async () => {
  const ann = await testClient(app, '/clock', { contract: clock })
  await ann.send('start', { delay: 60_000 })
  expect(await ann.call('time')).toEqual({ now: Date.now() })
  await expect(ann.next('rang', { within: 20 })).rejects.toThrow('nothing came')
  // In steps, so that the client can answer the pings of this time.
  await jest.advanceTimersByTimeAsync(60_000)
  expect(await ann.next('rang')).toMatchObject({ type: 'rang' })
  expect(await ann.close()).toEqual({ code: 1000, reason: '' })
})

test('a raw route under fake timers', async () => {
  const ann = await testClient(app, '/echo')
  await ann.send('x'.repeat(100_000))
  expect(await ann.next()).toHaveLength(100_000)
  ann.stall()
  ann.resume()
  await ann.send('hello')
  expect(await ann.next()).toBe('hello')
  ann.cut()
  expect((await ann.closed).code).toBe(1006)
})

test('refusals under fake timers', async () => {
  await expect(testClient(app, '/nowhere')).rejects.toMatchObject({ statusCode: 404 })
})
