// What RFC 6455 says about the bytes of a client, written from its text and without looking at any implementation. No
// extension is negotiated. If the RFC leaves a choice, every allowed end is listed, with the reason.

const CONTINUATION = 0x0
const TEXT = 0x1
const BINARY = 0x2
const CLOSE = 0x8
const PING = 0x9
const PONG = 0xa

/** Checks UTF-8 (RFC 3629, 4) piece by piece, as the pieces of a message arrive. */
class Utf8 {
  #missing = 0
  #lowest = 0x80
  #highest = 0xbf
  isInvalid = false

  /** Also false in the middle of a character. */
  get isValid() {
    return !this.isInvalid && this.#missing === 0
  }

  push(bytes) {
    for (const byte of bytes) {
      if (this.isInvalid) return
      if (this.#missing === 0) this.#first(byte)
      else this.#next(byte)
    }
  }

  #first(byte) {
    if (byte < 0x80) return
    this.#missing =
      byte >= 0xc2 && byte <= 0xdf ? 1 : byte >= 0xe0 && byte <= 0xef ? 2 : byte >= 0xf0 && byte <= 0xf4 ? 3 : 0
    this.isInvalid = this.#missing === 0
    // The second byte excludes overlong forms (E0, F0), surrogates (ED) and code points beyond U+10FFFF (F4).
    this.#lowest = byte === 0xe0 ? 0xa0 : byte === 0xf0 ? 0x90 : 0x80
    this.#highest = byte === 0xed ? 0x9f : byte === 0xf4 ? 0x8f : 0xbf
  }

  #next(byte) {
    this.isInvalid = byte < this.#lowest || byte > this.#highest
    this.#missing--
    this.#lowest = 0x80
    this.#highest = 0xbf
  }
}

export function isUtf8(bytes) {
  const checker = new Utf8()
  checker.push(bytes)
  return checker.isValid
}

/** The fixed part of a frame's header and its length; undefined if it is incomplete. */
export function headerAt(bytes, at) {
  if (bytes.length - at < 2) return undefined
  const [first, second] = [bytes[at], bytes[at + 1]]
  const short = second & 0x7f
  const header = {
    isFinal: first >= 0x80,
    reserved: first & 0x70,
    opcode: first & 0x0f,
    isMasked: second >= 0x80,
    short,
    start: at + 2
  }
  const extra = short === 126 ? 2 : short === 127 ? 8 : 0
  if (bytes.length - header.start < extra) return header
  if (extra === 0) header.length = BigInt(short)
  else header.length = extra === 2 ? BigInt(bytes.readUInt16BE(header.start)) : bytes.readBigUInt64BE(header.start)
  header.start += extra
  return header
}

/** The errors in the first two bytes of a frame (5.2, 5.4, 5.5). An endpoint must fail the connection for any of them. */
function flawOfStart({ isFinal, reserved, opcode, isMasked, short }, isFragmented) {
  if (reserved !== 0) return 'a reserved bit'
  if (!isMasked) return 'a frame without a mask'
  if ((opcode > BINARY && opcode < CLOSE) || opcode > PONG) return `the reserved opcode ${opcode}`
  if (opcode >= CLOSE && !isFinal) return 'a fragmented control frame'
  if (opcode >= CLOSE && short > 125) return 'a long control frame'
  if (opcode === CONTINUATION && !isFragmented) return 'a continuation of nothing'
  if ((opcode === TEXT || opcode === BINARY) && isFragmented) return 'a new message inside of another'
  return undefined
}

/**
 * - A code that may be sent is echoed (5.5.1).
 * - 0 to 999, 1004 to 1006, 1015 and anything above 4999 must not be in a frame (7.4): a protocol error.
 * - The rest up to 2999 is for future versions and extensions (7.4.2): it may be known to a server or not.
 */
function codesFor(code) {
  if (code < 1000 || (code >= 1004 && code <= 1006) || code === 1015 || code > 4999) return [1002]
  return code > 1014 && code < 3000 ? [code, 1002] : [code]
}

/** Reads the bytes of a client, frame by frame. */
class Decoder {
  #bytes
  #limits
  #at = 0
  /** The incomplete message: its type, pieces, size and number of frames. */
  #message
  result = { messages: [], pings: [], ends: [], frames: 0, mustEnd: false, isInFrame: false }

  constructor(bytes, limits) {
    this.#bytes = bytes
    this.#limits = limits
  }

  run() {
    while (!this.result.mustEnd && this.#at < this.#bytes.length && this.#frame()) this.result.frames++
    if (this.result.mustEnd) this.result.frames++
    else this.result.isInFrame = this.#at < this.#bytes.length
    return this.result
  }

  /** The connection may end here, with one of these codes. */
  #may(why, ...codes) {
    for (const code of codes) this.result.ends.push({ code, messages: this.result.messages.length, why })
  }

  #must(why, ...codes) {
    this.#may(why, ...codes)
    this.result.mustEnd = true
  }

  /** Reads one frame; false if the bytes end in the middle of it. */
  #frame() {
    const header = headerAt(this.#bytes, this.#at)
    if (header === undefined) return false
    if (!this.#acceptsHeader(header)) return false
    const start = header.start + 4
    const end = start + Number(header.length)
    const payload =
      start < this.#bytes.length ? this.#unmasked(start, Math.min(end, this.#bytes.length)) : Buffer.alloc(0)
    const isComplete = this.#bytes.length >= end
    if (header.opcode >= CLOSE) this.#control(header, payload, isComplete)
    else this.#data(header, payload, isComplete)
    if (isComplete) this.#at = end
    return isComplete && !this.result.mustEnd
  }

  /**
   * False if the header is incomplete or wrong. The RFC does not say which of two errors in one header comes first, nor how
   * much must be read before an error is reported. But a server that waits for a payload that it cannot use can be made to
   * wait forever, so an error is expected as soon as the header shows it.
   */
  #acceptsHeader(header) {
    const flaw = flawOfStart(header, this.#message !== undefined)
    if (flaw !== undefined) this.#must(flaw, 1002)
    if (header.length === undefined) return false
    if (header.length >= 2n ** 63n) this.#must('a length with its highest bit set (5.2), and too large', 1002, 1009)
    else if (header.opcode < CLOSE) this.#size(header.length + BigInt(this.#message?.size ?? 0))
    const isOneMore = header.opcode === CONTINUATION && (this.#message?.frames ?? 0) >= this.#limits.maxFragments
    if (this.result.mustEnd && isOneMore) this.#may('too many fragments, too', 1008)
    if (this.result.mustEnd) return false
    const isMinimal = header.short < 126 || header.length > (header.short === 126 ? 125n : 65_535n)
    // 5.2 requires the sender to use the fewest bytes, but does not require the receiver to check it.
    if (!isMinimal) this.#may('a length in more bytes than needed', 1002)
    return true
  }

  /** The size of the message so far, as its headers announce it. */
  #size(size) {
    if (size > this.#limits.maxMessageSize) this.#must('too large', 1009)
  }

  #unmasked(start, end) {
    const payload = Buffer.from(this.#bytes.subarray(start, end))
    for (let i = 0; i < payload.length; i++) payload[i] ^= this.#bytes[start - 4 + (i & 3)]
    return payload
  }

  #data({ opcode, isFinal }, payload, isComplete) {
    const message = (this.#message ??= {
      type: opcode,
      pieces: [],
      size: 0,
      frames: 0,
      text: opcode === TEXT ? new Utf8() : undefined
    })
    message.frames++
    message.size += payload.length
    message.text?.push(payload)
    const isTooMany = message.frames > this.#limits.maxFragments
    // Invalid text that no continuation can repair may be reported at once or when the message is complete (8.1 names no time).
    if (message.text?.isInvalid) this.#may('text that is not UTF-8, so far', 1007)
    // The number of frames is known from the header; the route's limit is not part of the RFC.
    if (isTooMany) this.#may('too many fragments', 1008)
    if (!isComplete) return
    if (isTooMany) this.result.mustEnd = true
    message.pieces.push(payload)
    if (isFinal) this.#complete(message, isTooMany)
  }

  #complete(message, isTooMany) {
    const isTooLarge = message.size > this.#limits.maxMessageSize
    const isText = message.text?.isValid ?? true
    if (isTooLarge) this.#must('too large', 1009)
    if (!isText) this.#must('text that is not UTF-8', 1007)
    if (isTooMany || isTooLarge || !isText) return
    this.result.messages.push({ type: message.type, data: Buffer.concat(message.pieces) })
    this.#message = undefined
  }

  #control({ opcode, length }, payload, isComplete) {
    // One byte cannot be a code (5.5.1): the header shows this, but is not wrong in itself.
    if (opcode === CLOSE && length === 1n) this.#may('a close frame of one byte', 1002)
    if (!isComplete) return
    if (opcode === PING) this.result.pings.push(payload)
    if (opcode === CLOSE) this.#close(payload)
  }

  #close(payload) {
    this.result.mustEnd = true
    if (payload.length === 1) return
    // A close frame without a code is answered by one without a code.
    if (payload.length === 0) return this.#may('the close frame of the peer', 1005)
    const code = payload.readUInt16BE(0)
    const codes = codesFor(code)
    if (isUtf8(payload.subarray(2))) this.#may(`the peer's close frame with ${code}`, ...codes)
    // 8.1 requires to fail for an invalid reason; 7.4.1 has one code for invalid text in messages and one for protocol errors.
    else this.#may('a reason that is not UTF-8', 1007, 1002)
  }
}

/**
 * The expected result for the bytes of a client: the messages that the server accepts, the pings it gets, and in `ends` how
 * the connection may end, each with the number of messages before it. Without `mustEnd` the connection may also stay open;
 * `isInFrame` means that the bytes stop inside a frame.
 */
export function judge(bytes, limits) {
  return new Decoder(bytes, limits).run()
}
