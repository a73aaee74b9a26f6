// Plays one opening handshake against the server, and compares the answer with the allowed answers.
import { Wire } from './client.mjs'
import { judgeHandshake, makeHandshake } from './handshakes.mjs'

const TIME = 10_000
/** If no answer comes for this long, the server is assumed to wait for the rest of the request. */
const QUIET = 200

const CLOSE_FRAME = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 3, 232])

/** Sends the request and reads to the end of the connection, which may never come. */
async function exchange(wire, { bytes, cut }, isComplete) {
  let answer = Buffer.alloc(0)
  const isAnswered = () => {
    answer = Buffer.concat([answer, wire.take()])
    return wire.isEnded || answer.includes('\r\n\r\n')
  }
  wire.socket.write(bytes.subarray(0, cut))
  if (cut > 0) await new Promise((resolve) => setImmediate(resolve))
  wire.socket.write(bytes.subarray(cut))
  if (isComplete) await wire.until(isAnswered, QUIET)
  // Tells the server that nothing more comes: it must end the connection now, whatever it was waiting for.
  if (answer.toString('latin1').startsWith('HTTP/1.1 101')) wire.socket.end(CLOSE_FRAME)
  else wire.socket.end()
  const isClosed = await wire.until(() => wire.isClosed)
  return { isClosed, answer: Buffer.concat([answer, wire.take()]).toString('latin1') }
}

const headerOf = (head, name) => new RegExp(`^${name}: (.*)\r$`, 'im').exec(head)?.[1]

/** The error in a 101. */
function flawOf101(head, { accepts }, request) {
  if (!accepts.includes(headerOf(head, 'Sec-WebSocket-Accept') ?? '')) return 'the wrong Sec-WebSocket-Accept'
  if (
    headerOf(head, 'Upgrade')?.toLowerCase() !== 'websocket' ||
    headerOf(head, 'Connection')?.toLowerCase() !== 'upgrade'
  )
    return 'a 101 without its headers'
  // Neither may be chosen without having been offered (RFC 6455, 4.2.2).
  const protocol = headerOf(head, 'Sec-WebSocket-Protocol')
  if (protocol !== undefined && !request.includes(protocol)) return 'a subprotocol that was not offered'
  const extension = headerOf(head, 'Sec-WebSocket-Extensions')
  if (extension !== undefined && !request.includes(extension.split(';')[0])) return 'an extension that was not offered'
  return undefined
}

function problemOf({ answer, isClosed }, expected, request) {
  if (!isClosed)
    return answer === '' ? 'no answer, and the connection stays open' : 'the connection stays open behind its answer'
  const start = answer.indexOf('HTTP/1.1 101')
  if (start === -1 && expected.isAccepted === true) return 'a valid handshake is refused'
  if (start === -1)
    return answer === '' || /^HTTP\/1\.1 (100 Continue\r\n\r\n|[45]\d\d )/.test(answer)
      ? undefined
      : 'neither a refusal nor a 101'
  if (expected.isAccepted === false) return `a 101 where ${expected.why}`
  return flawOf101(answer.slice(start, answer.indexOf('\r\n\r\n', start) + 2), expected, request)
}

/** Plays the handshake of a seed. Returns how it was answered, and the error, if any. */
export async function playHandshake(port, seed) {
  const handshake = makeHandshake(seed)
  const expected = judgeHandshake(handshake.bytes)
  const wire = new Wire(port, TIME)
  const exchanged = await exchange(wire, handshake, expected.isAccepted === true || expected.isComplete)
  wire.drop()
  const { answer, isClosed } = exchanged
  const problem = problemOf(exchanged, expected, handshake.bytes.toString('latin1'))
  const outcome = `handshake: ${!isClosed ? 'hang' : answer === '' ? 'closed' : answer.slice(9, 12)}`
  if (problem === undefined) return { outcome }
  const details = {
    cut: handshake.cut,
    expected: String(expected.isAccepted),
    answered: JSON.stringify(answer.slice(0, 300)),
    request: JSON.stringify(handshake.bytes.toString('latin1', 0, 1000))
  }
  return { outcome, finding: { problem, details, bytes: handshake.bytes } }
}
