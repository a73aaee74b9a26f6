// Plays one stream of frames against the server, and compares what it made of it with what RFC 6455 says.
import { createHash } from 'node:crypto'
import { Answers, request, Wire } from './client.mjs'
import { encode, makeStream } from './frames.mjs'
import { LIMITS } from './limits.mjs'
import { judge } from './oracle.mjs'

/** Longer than the server waits for the end of a closing handshake: 5 seconds. */
const TIME = 10_000
/** A server that has sent its close frame ends the connection itself (RFC 6455, 7.1.1), and at once. */
const TIME_TO_END = 4_000

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** A client with its wire, all that it has sent, and what came back. */
class Player {
  answers = new Answers()
  sent = Buffer.alloc(0)
  /** True where we have ended in the middle of a frame. */
  isCut = false

  constructor(port) {
    this.wire = new Wire(port, TIME)
  }

  write(bytes) {
    this.sent = Buffer.concat([this.sent, bytes])
    if (!this.wire.isClosed) this.wire.socket.write(bytes)
  }

  /** Ends our side; the server gets everything that was sent before. */
  cut() {
    this.isCut = true
    this.wire.socket.end()
  }

  /**
   * Who has said that a message is too large may go on to read until our close frame; which it does not see where the bytes
   * before it stop inside of a frame, but then it sees the end.
   */
  answerClose() {
    if (this.answers.code !== 1009 || this.wire.isEnded) return
    this.wire.socket.end(Buffer.from([0x88, 0x80, 0, 0, 0, 0]))
  }

  /** True once the condition holds, the server has closed, or has sent what makes no sense. */
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

/** Brings a stream to its end, one that must stay open with a last ping and a close frame. Says what took too long. */
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

/** True where `some` are, in order, among `all`: of pings that wait, only the last must be answered (RFC 6455, 5.5.3). */
function isAmong(some, all) {
  let found = 0
  for (const one of all) if (found < some.length && one.equals(some[found])) found++
  return found === some.length
}

/** What is wrong with the answers; undefined where nothing is. `seen` is what the route has read. */
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
  // What was accepted just before the end may have come too late to be sent back.
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
 * Plays the stream of a seed. `reportOf` waits for what the route has seen on the connection with this id. Says how many
 * frames it had, how it ended, and what is wrong, if anything.
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
