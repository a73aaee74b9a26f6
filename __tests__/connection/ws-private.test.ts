import { PassThrough } from 'node:stream'
import {
  bufferedBytes,
  newSender,
  setStream,
  setWasClean,
  UnconnectedWebSocket
} from '../../src/connection/ws-private.ts'

// If one of these fails after an update of ws, ws has moved something that src/connection/ws-private.ts uses.

// oxlint-disable-next-line typescript/no-require-imports -- the installed version, for the name
const { version } = require('ws/package.json') as { version: string }

// oxlint-disable-next-line typescript/no-require-imports -- the source, to see what createWebSocketStream looks at
const { createWebSocketStream } = require('ws') as typeof import('ws')

/** Everything that was written to a stream. From Node.js 26 on, `read()` returns one chunk at a time. */
function written(stream: PassThrough): string {
  const chunks: Buffer[] = []
  for (let chunk = stream.read() as Buffer | null; chunk !== null; chunk = stream.read() as Buffer | null)
    chunks.push(chunk)
  return Buffer.concat(chunks).toString('latin1')
}

describe(`ws ${version} works as src/connection/ws-private.ts expects`, () => {
  test('a socket can be made without a connection, and has neither a receiver nor a sender', () => {
    const socket = new UnconnectedWebSocket(null, undefined, {})
    expect(socket.readyState).toBe(socket.CONNECTING)
    expect(socket).toMatchObject({ _receiver: null, _sender: null, _socket: null })
    expect(socket.eventNames()).toEqual([])
  })

  test('a sender writes unmasked frames to a stream', () => {
    const stream = new PassThrough()
    const sender = newSender(stream)
    const options = { mask: false, compress: false, fin: true, binary: false } as const
    sender.send('text', options)
    sender.send(Buffer.from('one'), { ...options, binary: true, fin: false })
    sender.send(Buffer.from('two'), { ...options, binary: true })
    sender.ping('a', false)
    sender.pong('b', false)
    expect(written(stream)).toBe('\x81\x04text\x02\x03one\x80\x03two\x89\x01a\x8a\x01b')
    expect(bufferedBytes(sender)).toBe(0)
  })

  test('a sender counts a Blob until it is read, and then writes it', async () => {
    const stream = new PassThrough()
    const sender = newSender(stream)
    const sent = new Promise<Error | undefined>((resolve) =>
      sender.send(new Blob(['blob']), { mask: false, compress: false, fin: true, binary: true }, resolve)
    )
    expect(bufferedBytes(sender)).toBe(4)
    expect(await sent).toBeFalsy()
    expect(bufferedBytes(sender)).toBe(0)
    expect(written(stream)).toBe('\x82\x04blob')
  })

  test('createWebSocketStream waits for the stream of the socket before it finishes', async () => {
    const socket = new UnconnectedWebSocket(null, undefined, {})
    const stream = new PassThrough()
    const finished = jest.fn()
    setStream(socket, stream)
    socket.close = () => stream.end()
    Object.defineProperty(socket, 'readyState', { value: socket.OPEN })
    createWebSocketStream(socket).on('finish', finished).end()
    await new Promise(setImmediate)
    expect(stream.writableFinished).toBe(true)
    expect(finished).toHaveBeenCalledTimes(1)
  })

  test.each([true, false])('addEventListener says that a close was clean: %s', (wasClean) => {
    const socket = new UnconnectedWebSocket(null, undefined, {})
    const heard = jest.fn()
    socket.addEventListener('close', heard)
    setWasClean(socket, wasClean)
    socket.emit('close', 1000, Buffer.from('bye'))
    expect(heard.mock.calls[0]?.[0]).toMatchObject({ wasClean, code: 1000, reason: 'bye' })
  })
})
