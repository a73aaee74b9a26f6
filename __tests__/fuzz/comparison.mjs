// Compares what our frame reader and the one of ws make of the same bytes. They may differ only in the ways named here.
import { constants, inflateRawSync } from 'node:zlib'
import { LIMITS } from './limits.mjs'
import { headerAt } from './oracle.mjs'

/** Names for the same flaw, or for two flaws of one header. Each pair has the same close code. */
const SAME_FLAW = new Set([
  'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH',
  'WS_ERR_INVALID_COMPRESSED_DATA Z_DATA_ERROR',
  'WS_ERR_UNEXPECTED_RSV_1 WS_ERR_EXPECTED_FIN',
  'WS_ERR_UNEXPECTED_RSV_1 WS_ERR_INVALID_OPCODE'
])

const isMessage = ({ kind }) => kind === 'text' || kind === 'binary'
const isControl = (event) => !isMessage(event)
const isSameEvent = (a, b) => a.kind === b.kind && a.data.equals(b.data)

const isSameEnd = (ours, theirs) =>
  ours?.kind === theirs?.kind &&
  ours?.closeCode === theirs?.closeCode &&
  ours?.reason === theirs?.reason &&
  (ours?.code === theirs?.code || SAME_FLAW.has(`${ours.code} ${theirs.code}`))

/** True if one reader has stopped earlier, inside of a message: the other has the same events, and control frames after them. */
const isBehind = (some, all) =>
  some.length <= all.length &&
  some.every((event, i) => isSameEvent(event, all[i])) &&
  all.slice(some.length).every(isControl)

/** The frames of a stream, as far as their headers can be read. The payload of the last one may be incomplete. */
function* framesOf(bytes) {
  for (let at = 0, header; (header = headerAt(bytes, at))?.length !== undefined;) {
    const start = header.start + 4
    const payload = Buffer.from(bytes.subarray(start, start + Number(header.length)))
    for (let i = 0; i < payload.length; i++) payload[i] ^= bytes[header.start + (i & 3)]
    // An empty frame ends with its mask.
    const isWhole = start <= bytes.length && BigInt(payload.length) === header.length
    yield { ...header, payload, isWhole }
    if (!isWhole) return
    at = start + payload.length
  }
}

/** The messages of a stream, as far as its frames can be read. The last one may be incomplete. */
export function messagesOf(bytes) {
  const messages = []
  for (const { opcode, reserved, payload, isFinal, isWhole } of framesOf(bytes)) {
    if (opcode >= 8) continue
    if (opcode > 0) messages.push({ type: opcode, isCompressed: reserved !== 0, frames: 0, pieces: [], isWhole: false })
    const message = messages.at(-1)
    if (message === undefined || message.isWhole) break
    message.frames++
    message.pieces.push(payload)
    message.isWhole = isFinal && isWhole
  }
  for (const message of messages) message.payload = Buffer.concat(message.pieces)
  return messages
}

/** True if no further bytes can make UTF-8 of these. */
export function isHopeless(bytes) {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true })
    return false
  } catch {
    return true
  }
}

const TAIL = Buffer.from([0, 0, 0xff, 0xff])

const inflate = (input, options) =>
  inflateRawSync(input, { finishFlush: constants.Z_SYNC_FLUSH, info: true, ...options })

/** The error code of inflating; undefined if there is none. */
function inflateError(input, options) {
  try {
    inflate(input, options)
    return undefined
  } catch (error) {
    return error.code
  }
}

/** True for a compressed message with more after a block that is marked as the last one. */
function goesOnAfterFinalBlock({ isCompressed, payload }) {
  const input = Buffer.concat([payload, TAIL])
  return isCompressed && inflateError(input) === undefined && inflate(input).engine.bytesWritten < input.length
}

/** The ways in which the readers may differ. `current` is the message that neither of them has delivered. */
const KNOWN = {
  // RFC 6455, 8.1, allows both. A control frame or another error that comes before the end of the message, only ws sees.
  'we refuse text at the first wrong byte, ws at the end of the message': ({ ours, theirs, current }) =>
    ours.end?.code === 'WS_ERR_INVALID_UTF8' &&
    isBehind(ours.events, theirs.events) &&
    current?.type === 1 &&
    !current.isCompressed &&
    isHopeless(current.payload),

  'we count a fragment when its header comes, ws at its end': ({ ours, theirs, current }) =>
    ours.end?.code === 'WS_ERR_TOO_MANY_BUFFERED_PARTS' &&
    theirs.end === undefined &&
    isBehind(ours.events, theirs.events) &&
    ours.events.length === theirs.events.length &&
    !current.isWhole &&
    current.frames > LIMITS.maxFragments,

  // Another error that comes before the end of the message, only we see.
  'we inflate a message when it is complete, ws each fragment': ({ ours, theirs, current }) =>
    (theirs.end?.code === 'Z_DATA_ERROR' || theirs.end?.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') &&
    isBehind(theirs.events, ours.events) &&
    current?.isCompressed &&
    (current.frames > 1 || !current.isWhole),

  // A message that is too large, and whose end cannot be inflated: we see the end, because we inflate it with the rest.
  'of two flaws of a message, we see one and ws the other': ({ ours, theirs, current }) =>
    ours.end?.code === 'WS_ERR_INVALID_COMPRESSED_DATA' &&
    theirs.end?.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' &&
    isBehind(theirs.events, ours.events) &&
    current?.isCompressed &&
    inflateError(Buffer.concat([current.payload, TAIL])) === 'Z_DATA_ERROR' &&
    inflateError(current.payload, { maxOutputLength: LIMITS.maxMessageSize }) === 'ERR_BUFFER_TOO_LARGE',

  // RFC 7692, 7.2.3.5: such a block does not end the message. ws drops the rest, and sometimes the message after it.
  'ws ignores what follows a final block': ({ messages, delivered }) =>
    messages.slice(0, delivered + 1).some(goesOnAfterFinalBlock)
}

/** Undefined if both readers agree; otherwise the name of a known difference, or `different`. */
export function compare(bytes, ours, theirs) {
  const { length } = ours.events
  const isSame =
    length === theirs.events.length && ours.events.every((event, i) => isSameEvent(event, theirs.events[i]))
  if (isSame && isSameEnd(ours.end, theirs.end)) return undefined
  const messages = messagesOf(bytes)
  let agreed = 0
  while (agreed < length && agreed < theirs.events.length && isSameEvent(ours.events[agreed], theirs.events[agreed]))
    agreed++
  const delivered = ours.events.slice(0, agreed).filter(isMessage).length
  const facts = { ours, theirs, messages, delivered, current: messages[delivered] }
  return Object.keys(KNOWN).find((name) => KNOWN[name](facts)) ?? 'different'
}

/** Checks that text was refused at the very byte that shows that it cannot become UTF-8. For streams given byte by byte. */
export function isRefusedInTime(bytes, { events, end, failedAt }) {
  if (end?.code !== 'WS_ERR_INVALID_UTF8') return true
  // In the reason of a close frame, which is checked when it is whole.
  if ([...framesOf(bytes.subarray(0, failedAt))].at(-1).opcode === 8) return true
  const index = events.filter(isMessage).length
  const [before, now] = [failedAt - 1, failedAt].map((count) => messagesOf(bytes.subarray(0, count))[index])
  if (now.isCompressed) return true
  return !before?.isWhole && !isHopeless(before?.payload ?? Buffer.alloc(0)) && (now.isWhole || isHopeless(now.payload))
}
