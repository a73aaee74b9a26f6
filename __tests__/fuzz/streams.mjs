// Plays one stream of frames against the server, and compares the result with RFC 6455.
import { createHash } from 'node:crypto'
import { Answers, request, Wire } from './client.mjs'
import { encode, makeStream } from './frames.mjs'
import { LIMITS } from './limits.mjs'
import { judge } from './oracle.mjs'

/** Longer than the 5 seconds that the server waits for the end of a closing handshake. */
const TIME = 10_000
/** A server that has sent its close frame ends the connection itself (RFC 6455, 7.1.1), and at once. */
const TIME_TO_END = 4_000

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** A client with its wire, the bytes it has sent, and the frames that came back. */
class Player {
  answers = new Answers()
  sent = Buffer.alloc(0)
  /** True if the client has ended in the middle of a frame. */
  isCut = false

  constructor(port) {
    this.wire = new Wire(port, TIME)
  }

  write(bytes) {
    this.sent = Buffer.concat([this.sent, bytes])
    if (!this.wire.isClosed) this.wire.socket.write(bytes)
  }

  /** Ends the client's side; the server gets everything that was sent before. */
  cut() {
    this.isCut = true
    this.wire.socket.end()
  }

  /**
   * After the server has reported that a message is too large, it may go on reading until the client's close frame. It cannot
   * see that frame if the bytes before it stop inside another frame, but then it sees the end.
   */
  answerClose() {
    if (this.answers.code !== 1009 || this.wire.isEnded) return
    this.wire.socket.end(Buffer.from([0x88, 0x80, 0, 0, 0, 0]))
  }

  /** True once the condition holds, the server has closed, or it has sent something invalid. */
  until(condition, time) {
    return this.wire.until(() => {
      this.answers.push(this.wire.take())
      return this.wire.isEnded || this.answers.flaw !== undefined || condition()
    }, time)
  }

  get isOver() {
    return this.answers.code !== undefined || this.wire.isEnded
  }
}

async function send(player, stream, id) {
  const { bytes, cuts, isEarly } = stream
  const pieces = [0, ...cuts].map((from, i) => bytes.subarray(from, cuts[i]))
  const head = Buffer.from(request(`/echo?id=${id}`))
  player.wire.socket.write(isEarly ? Buffer.concat([head, pieces[0]]) : head)
  if (isEarly) player.sent = pieces.shift()
  for (const piece of pieces) {
    player.write(piece)
    await turn()
  }
}

/** Ends a stream; one that must stay open is ended with a last ping and a close frame. Returns what took too long. */
async function finish(player, stream) {
  const expected = judge(player.sent, LIMITS)
  const { answers } = player
  if (!expected.mustEnd) {
    const last = expected.isInFrame ? expected.pings.at(-1) : stream.random.bytes(16)
    if (!expected.isInFrame) player.write(encode(stream.random, 9, last))
    const isAnswered = () =>
      answers.messages.length >= expected.messages.length &&
      (last === undefined || answers.pongs.some((pong) => pong.equals(last)))
    if (!(await player.until(() => player.isOver || isAnswered())))
      return 'its messages, or its last ping, are not answered'
    if (expected.isInFrame && !player.isOver) player.cut()
    else if (!expected.isInFrame) player.write(encode(stream.random, 8, Buffer.from([3, 232])))
  }
  if (!(await player.until(() => player.isOver))) return 'the server does not close'
  player.answerClose()
  if (!(await player.until(() => player.wire.isEnded, TIME_TO_END)))
    return 'the server leaves the connection open behind its close frame'
  player.wire.socket.end()
  if (!(await player.until(() => player.wire.isClosed))) return 'the connection stays half-open'
  return undefined
}

function digestOf(messages) {
  const digest = createHash('sha1')
  for (const { type, data } of messages) digest.update(`${type}:${data.length}:`).update(data)
  return digest.digest('hex')
}

/** True if `some` is an ordered subset of `all`: of several waiting pings, only the last must be answered (RFC 6455, 5.5.3). */
function isAmong(some, all) {
  let found = 0
  for (const one of all) if (found < some.length && one.equals(some[found])) found++
  return found === some.length
}

/** The error in the answers; undefined if there is none. `seen` is what the route has read. */
function compare(expected, answers, seen, isCut) {
  if (answers.flaw !== undefined) return `the server sent ${answers.flaw}`
  if (answers.isInFrame) return 'the server stopped in the middle of a frame'
  if (seen === undefined) return 'the handler does not learn of the end'
  if (seen.failure !== undefined) return `the handler failed: ${seen.failure}`
  const ends = isCut
    ? [...expected.ends, { code: undefined, messages: expected.messages.length, why: 'cut off' }]
    : expected.ends
  if (!ends.some(({ code, messages }) => code === answers.code && messages === seen.count))
    return `closed with ${answers.code} after ${seen.count} messages`
  if (seen.code !== (answers.code ?? 1006)) return `closed with ${answers.code}, but the handler was told ${seen.code}`
  if (digestOf(expected.messages.slice(0, seen.count)) !== seen.digest) return 'the handler read other messages'
  // Messages accepted just before the end may have come too late to be sent back.
  const isEcho = answers.messages.every(
    ({ type, data }, i) =>
      i < seen.count && type === expected.messages[i].type && data.equals(expected.messages[i].data)
  )
  if (!isEcho) return 'what was sent back is not what was sent'
  if (!isAmong(answers.pongs, expected.pings)) return 'pongs that answer no ping'
  return undefined
}

function describe({ messages, pings, ends, mustEnd, isInFrame, frames }) {
  const allowed = ends.map(({ code, messages: count, why }) => `${code} after ${count} messages (${why})`)
  if (!mustEnd) allowed.push(isInFrame ? 'open, in a frame' : 'open')
  return `${frames} frames with ${messages.length} messages and ${pings.length} pings; it may end with: ${allowed.slice(-6).join(', ')}`
}

/**
 * Plays the stream of a seed. `reportOf` waits for the route's report about the connection with this id. Returns the number
 * of frames, how the connection ended, and the error, if any.
 */
export async function playStream(port, seed, id, reportOf) {
  const stream = makeStream(seed)
  const player = new Player(port)
  await send(player, stream, id)
  const hang = await finish(player, stream)
  const expected = judge(player.sent, LIMITS)
  const seen = hang === undefined ? await reportOf(id) : undefined
  player.wire.drop()
  const problem = hang ?? compare(expected, player.answers, seen, player.isCut)
  const outcome = `${stream.kind}: ${player.answers.code ?? 'cut off'}`
  if (problem === undefined) return { frames: expected.frames, outcome }
  const { messages, pongs, code } = player.answers
  const answered = `${messages.length} messages, ${pongs.length} pongs, close code ${code}; socket error: ${player.wire.error?.code ?? 'none'}`
  const details = {
    stream: stream.kind,
    cuts: stream.cuts.join(' '),
    early: stream.isEarly,
    expected: describe(expected),
    answered,
    seen: JSON.stringify(seen)
  }
  return { frames: expected.frames, outcome, finding: { problem, details, bytes: player.sent } }
}
