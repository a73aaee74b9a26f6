import { EventEmitter, on, once } from 'node:events'
import { WebSocketHub } from '../../src/index.ts'
import { closeServers, connect, eventually, startServer } from '../support/server.ts'

afterEach(closeServers)

const LISTEN = ['on', 'once', 'addListener', 'prependListener', 'prependOnceListener'] as const

/** A hub, or its presence, without its types. */
type Untyped = EventEmitter & Record<string, (...args: unknown[]) => unknown>
const hubs: [string, () => Untyped, string, RegExp][] = [
  [
    'a hub',
    () => new WebSocketHub() as unknown as Untyped,
    'register',
    /register, unregister, slow, degraded, recovered/
  ],
  ['presence', () => new WebSocketHub().presence as unknown as Untyped, 'join', /join, leave, update/]
]

describe.each(hubs)('%s', (_, make, known, names) => {
  test.each(LISTEN)('%s refuses a listener for an unknown event, and lists the known ones', (method) => {
    const emitter = make()
    for (const event of [
      'mesage',
      'message',
      '',
      known.toUpperCase(),
      '__proto__',
      'toString',
      Symbol('x'),
      undefined,
      5
    ]) {
      expect(() => emitter[method](event as string, () => {})).toThrow(
        expect.objectContaining({ code: 'FST_BLAZE_WS_INVALID_ARGUMENT', message: expect.stringMatching(names) })
      )
    }
    const before = emitter.listenerCount(known)
    expect(emitter[method](known, () => {})).toBe(emitter)
    expect(emitter.listenerCount(known)).toBe(before + 1)
  })

  test('emit is refused, for known and unknown events', () => {
    const emitter = make()
    let heard = 0
    emitter.on(known, () => heard++)
    for (const event of [known, 'news', 'error'])
      expect(() => emitter.emit(event, new Error('x'))).toThrow(
        expect.objectContaining({ code: 'FST_BLAZE_WS_INVALID_ARGUMENT' })
      )
    expect(heard).toBe(0)
  })

  test('supports newListener, removeListener, and once and on of node:events', async () => {
    const emitter = make()
    const seen: unknown[] = []
    emitter.on('newListener', (event: string) => seen.push(`+${event}`))
    emitter.on('removeListener', (event: string) => seen.push(`-${event}`))
    const listener = (): void => {}
    emitter.on(known, listener).off(known, listener)
    expect(seen).toEqual(['+removeListener', `+${known}`, `-${known}`])

    const controller = new AbortController()
    const waiting = once(emitter, known, { signal: controller.signal })
    const iterator = on(emitter, known, { signal: controller.signal })
    const next = iterator.next()
    expect(emitter.listenerCount(known)).toBe(2)
    controller.abort()
    await expect(waiting).rejects.toThrow('aborted')
    await expect(next).rejects.toThrow('aborted')
    expect(emitter.listenerCount(known)).toBe(0)
  })
})

test('the error of emit names the method to call instead', () => {
  const hub = new WebSocketHub() as unknown as Untyped
  expect(() => hub.emit('news', 'hello')).toThrow(/call broadcast\(\)/)
  expect(() => (new WebSocketHub().presence as unknown as Untyped).emit('join', 'room')).toThrow(/call set\(\)/)
})

test('every listener gets the event, however it was added and even if another one rejects', async () => {
  const heard: string[] = []
  const { app, ws, logs } = await startServer((instance) => {
    const hub = instance.wsHub
    hub.on('register', () => heard.push('on'))
    hub.once('register', () => heard.push('once'))
    hub.prependListener('register', () => heard.push('first'))
    hub.on('register', async () => {
      throw new Error('an async listener')
    })
    hub.presence.on('join', (room, { key }) => heard.push(`${room} ${typeof key}`))
    instance.webSocket('/ws', async (ws) => {
      hub.presence.set(ws, 'room')
      await ws.readMessage()
    })
  })
  const registered = once(app.wsHub, 'register')
  await connect(ws('/ws'))
  const [connection] = (await registered) as [unknown]
  expect(app.wsHub.getClients()).toEqual([connection])
  await connect(ws('/ws'))
  await eventually(() => logs.filter(({ msg }) => msg === 'listener of a WebSocketHub event failed').length === 2)
  expect(heard).toEqual(['first', 'on', 'once', 'room string', 'first', 'on', 'room string'])
})
