// Makes faulty opening handshakes, and says which of them may be answered with 101. The judge reads the bytes that were sent,
// not the intention: a mutation may have no effect, and two may cancel each other out.
import { acceptFor } from './client.mjs'
import { Random } from './random.mjs'

const METHODS = [
  'POST',
  'PUT',
  'DELETE',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'CONNECT',
  'TRACE',
  'get',
  'Get',
  'GETT',
  'BREW',
  'PRI',
  'PURGE',
  'M-SEARCH',
  '',
  'G\0ET'
]
const PATHS = [
  '/',
  '/none',
  '*',
  '',
  'echo',
  '//echo',
  '/echo/',
  '/ECHO',
  '/echo?',
  '/echo?a=b',
  '/echo#x',
  '/%65cho',
  '/echo%00',
  '/echo%',
  '/é',
  'http://localhost/echo',
  'localhost:80',
  '/../echo',
  `/echo?${'x'.repeat(9000)}`
]
const PROTOCOLS = [
  'HTTP/1.0',
  'HTTP/0.9',
  'HTTP/1.2',
  'HTTP/2.0',
  'HTTP/9.9',
  'HTTP/1.1 ',
  'http/1.1',
  'HTTP/1,1',
  'HTTP/11',
  'ICE/1.0',
  'RTSP/1.0',
  ''
]
const VERSIONS = [
  '',
  '0',
  '8',
  '7',
  '12',
  '14',
  '-13',
  '+13',
  '013',
  '13.0',
  '1.3e1',
  '0xd',
  '0xD',
  '0b1101',
  '0o15',
  '13,',
  '13, 13',
  '13, 8',
  '8, 13',
  '13;',
  '"13"',
  '13 13',
  '１３',
  '13n',
  'Infinity',
  '1'.repeat(500)
]
const KEYS = [
  '',
  '=',
  'x',
  'AAAAAAAAAAAAAAAAAAAAAA',
  'AAAAAAAAAAAAAAAAAAAAAA=',
  'AAAAAAAAAAAAAAAAAAAAAA===',
  'AAAAAAAAAAAAAAAAAAAAA===',
  'AAAAAAAAAAAAAAAAAAAAAAA=',
  'AAAAAAAAAAAAAAAAAAAA',
  '-_AAAAAAAAAAAAAAAAAAAA==',
  'AAAAAAAAAA AAAAAAAAAAA==',
  '"AAAAAAAAAAAAAAAAAAAAAA=="',
  'AAAAAAAAAAAAAAAAAAAAAA==, AAAAAAAAAAAAAAAAAAAAAA==',
  'AAAAAAAAAAAAAAAAAAAAAA== x',
  'ÿAAAAAAAAAAAAAAAAAAAAA==',
  'A'.repeat(3000)
]
const EXTENSIONS = [
  '',
  ',',
  ';',
  'x',
  'foo; bar=1',
  'foo; bar="1"',
  'foo; bar="',
  'foo; bar="a b"',
  'permessage-deflate',
  'permessage-deflate; client_max_window_bits',
  'permessage-deflate; client_max_window_bits=8',
  'permessage-deflate; server_max_window_bits=8',
  'permessage-deflate; server_max_window_bits=16',
  'permessage-deflate; server_max_window_bits=08',
  'permessage-deflate; server_max_window_bits',
  'permessage-deflate; client_no_context_takeover=1',
  'permessage-deflate; unknown',
  'permessage-deflate, permessage-deflate',
  'permessage-deflate; server_max_window_bits=99, permessage-deflate',
  'permessage-deflate; server_no_context_takeover; server_no_context_takeover',
  '__proto__',
  '__proto__; constructor=1',
  'a;'.repeat(200),
  'x,'.repeat(2000) + 'x',
  'permessage-deflate;'.repeat(300)
]
const SUBPROTOCOLS = [
  '',
  ',',
  'chat.v1',
  'chat.v2, chat.v1',
  'chat.v1,chat.v1',
  'chat.v3',
  'chat.v1,',
  ' chat.v1',
  'chat v1',
  '"chat.v1"',
  '__proto__',
  'chat.v1;q=1',
  'é',
  'p,'.repeat(2000) + 'p',
  'x'.repeat(5000)
]
const BODIES = [
  ['Content-Length', '5'],
  ['Content-Length', '-1'],
  ['Content-Length', '99999999999999999999'],
  ['Content-Length', '1, 2'],
  ['Transfer-Encoding', 'chunked'],
  ['Transfer-Encoding', 'x'],
  ['Expect', '100-continue'],
  ['Expect', 'x'],
  ['Trailer', 'x']
]
const VALUES = {
  'Sec-WebSocket-Version': VERSIONS,
  'Sec-WebSocket-Key': KEYS,
  'Sec-WebSocket-Extensions': EXTENSIONS,
  'Sec-WebSocket-Protocol': SUBPROTOCOLS,
  Connection: ['', 'close', 'keep-alive', 'keep-alive, Upgrade', 'upgrade', 'Upgrade, Upgrade', 'upgradex', 'Upgrade;'],
  Upgrade: [
    '',
    'WebSocket',
    'WEBSOCKET',
    'websockets',
    'h2c',
    'h2c, websocket',
    'websocket/13',
    'websocket, websocket'
  ],
  Host: ['', 'localhost', 'a b', 'localhost:99999', '[::1]', '\x01', 'x'.repeat(5000)]
}

const set = (headers, name, value) => [...headers.filter(([other]) => other !== name), [name, value]]
const insertAt = (text, at, piece) => text.slice(0, at) + piece + text.slice(at)

/** Changes to the request, before it becomes text. */
const CHANGES = [
  (random, request) => ({ ...request, method: random.pick(METHODS) }),
  (random, request) => ({ ...request, path: random.pick(PATHS) }),
  (random, request) => ({ ...request, protocol: random.pick(PROTOCOLS) }),
  (random, { headers, ...rest }) => ({ ...rest, headers: headers.toSpliced(random.below(headers.length), 1) }),
  (random, { headers, ...rest }) => ({
    ...rest,
    headers: headers.toSpliced(random.below(headers.length), 0, random.pick(headers))
  }),
  (random, { headers, ...rest }) => ({ ...rest, headers: [...headers, random.pick(BODIES)] }),
  (random, { headers, ...rest }) => ({
    ...rest,
    headers: headers.map(([name, value]) => [
      random.pick([name.toUpperCase(), name.toLowerCase(), ` ${name}`, `${name} `, name]),
      value
    ])
  }),
  (random, { headers, ...rest }) => ({
    ...rest,
    headers: headers.map(([name, value]) => [
      name,
      random.pick(['  ', '\t', '']) + value + random.pick([' ', '\t ', ''])
    ])
  }),
  (random, { headers, ...rest }) => ({
    ...rest,
    headers: [...headers, ['x'.repeat(random.pick([1, 500, 20_000])), 'y'.repeat(random.pick([1, 500, 20_000]))]]
  }),
  (random, { headers, ...rest }) => ({
    ...rest,
    headers: random.pick([false, true])
      ? headers.toReversed()
      : [...Array.from({ length: random.pick([50, 500, 3000]) }, (_, i) => [`x${i}`, '']), ...headers]
  }),
  ...Array.from({ length: 12 }, () => (random, { headers, ...rest }) => {
    const name = random.pick(Object.keys(VALUES))
    return {
      ...rest,
      headers: random.chance(0.85)
        ? set(headers, name, random.pick(VALUES[name]))
        : [...headers, [name, random.pick(VALUES[name])]]
    }
  })
]

/** Changes to the text: line ends, the text between them, and single bytes. */
const DAMAGES = [
  (random, text) => text.replaceAll('\r\n', random.pick(['\n', '\r', '\r\r\n', '\n\r', '\r\n '])),
  (random, text) => text.replace('\r\n', random.pick(['\n', '\r', '\r\n\r\n', '\r\n ', '\r\n\t', '\0\r\n'])),
  (random, text) =>
    random.pick(['\r\n', '\n', '\r\n\r\n', ' ', '\0', '\uFEFF', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n']) + text,
  (random, text) =>
    text +
    random.pick(['\r\n', 'x', '\x81\x80\0\0\0\0', '\x88\x80\0\0\0\0', '\x81\x05hello', 'GET /echo HTTP/1.1\r\n\r\n']),
  (random, text) => text.replace(': ', random.pick([':', ' : ', '', ':\r\n ', ':\0', '::'])),
  (random, text) =>
    insertAt(
      text,
      random.below(text.length),
      random.pick([
        '\r\n',
        '\n',
        '\r',
        '\0',
        ' ',
        ':',
        '\x7f',
        'ÿ',
        '\r\nSec-WebSocket-Key: x\r\n',
        '\r\nUpgrade: x',
        '\r\n\r\n'
      ])
    ),
  (random, text) => text.slice(0, random.below(text.length)),
  (random, text) => text.slice(0, -random.between(1, 4)),
  (random, text) => text.slice(0, random.below(text.length)) + text.slice(random.below(text.length)),
  ...Array.from({ length: 4 }, () => (random, text) => {
    const at = random.below(text.length)
    return text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ (1 << random.below(8))) + text.slice(at + 1)
  })
]

function valid(random) {
  const key = random.bytes(16).toString('base64')
  const headers = Object.entries({
    Host: 'localhost',
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': key
  })
  if (random.chance(0.1)) headers.push([random.pick(['Origin', 'Cookie']), 'http://localhost'])
  return { method: 'GET', path: '/echo', protocol: 'HTTP/1.1', headers }
}

/** The handshake of a seed, in one or two pieces. */
export function makeHandshake(seed) {
  const random = new Random(seed)
  let request = valid(random)
  for (let times = random.pick([0, 1, 1, 1, 1, 2, 3]); times > 0; times--)
    if (request.headers.length > 0) request = random.pick(CHANGES)(random, request)
  const { method, path, protocol, headers } = request
  let text = `${method} ${path} ${protocol}\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
  for (let times = random.pick([0, 0, 0, 1, 2]); times > 0; times--) text = random.pick(DAMAGES)(random, text)
  // One byte for each character; larger code points are truncated.
  return { seed, bytes: Buffer.from(text, 'latin1'), cut: random.chance(0.2) ? random.below(text.length + 1) : 0 }
}

const KEY = /^[+/0-9A-Za-z]{22}==$/
/** Base64 of 16 bytes whose last bits are 0, as they should be, but need not be for a decoder (RFC 4648, 3.5). */
const CANONICAL_KEY = /^[+/0-9A-Za-z]{21}[AQgw]==$/
const VALUE = /^[\t\x20-\x7e]*$/
const TOKEN_LIST = /^[!#$%&'*+\-.^_`|~\w]+( ?[;,] ?[!#$%&'*+\-.^_`|~\w]+(=[!#$%&'*+\-.^_`|~\w]+)?)*$/

const valuesOf = (headers, name) => headers.filter(([other]) => other === name).map(([, value]) => value)

/** Everything that could pass for a header, with the lenience of all parsers together. */
function looseHeaders(text) {
  const unfolded = text.replaceAll(/(\r\n|\r|\n)[ \t]+/g, ' ')
  const lines = `${text}\n${unfolded}`.split(/\r\n|\r|\n/).filter((line) => line.includes(':'))
  return lines.map((line) => [
    line.slice(0, line.indexOf(':')).trim().toLowerCase(),
    line
      .slice(line.indexOf(':') + 1)
      .replaceAll('\0', '')
      .trim()
  ])
}

/** Why there must be no 101 (RFC 6455, 4.2.1 and 4.2.2): something is missing, however the text is read. */
function reasonToRefuse(text) {
  const headers = looseHeaders(text)
  const lacks = (name, condition) => !valuesOf(headers, name).some((value) => condition(value))
  const starts = text.split(/\r\n|\r|\n/).filter((line) => line.startsWith('GET '))
  if (starts.length === 0) return 'the method is not GET'
  if (!starts.some((line) => /HTTP\/(1\.[1-9]|[2-9])/.test(line))) return 'the version of HTTP is not 1.1 or higher'
  if (lacks('sec-websocket-key', (value) => KEY.test(value))) return 'there is no valid key'
  if (lacks('sec-websocket-version', (value) => value === '13')) return 'the version is not 13'
  if (lacks('upgrade', (value) => /websocket/i.test(value))) return 'Upgrade is not websocket'
  if (lacks('connection', (value) => /upgrade/i.test(value))) return 'Connection is not Upgrade'
  if (lacks('host', () => true)) return 'there is no Host'
  // Neither may come twice (11.3.1, 11.3.5).
  const strict = strictHeaders(text) ?? []
  if (['sec-websocket-key', 'sec-websocket-version'].some((name) => valuesOf(strict, name).length > 1))
    return 'the key or the version comes twice'
  return undefined
}

/** The headers of an unambiguous request; undefined for any other text. */
function strictHeaders(text) {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1 || end + 4 !== text.length || text.length > 12_000) return undefined
  const [start, ...lines] = text.slice(0, end).split('\r\n')
  if (!/^GET \/echo(\?[\w=&]{0,100})? HTTP\/1\.1$/.test(start) || lines.length > 60) return undefined
  const headers = lines.map((line) => /^([\w-]+):[ \t]*(.*?)[ \t]*$/s.exec(line))
  if (headers.some((match) => match === null || !VALUE.test(match[2]))) return undefined
  // A tab may follow a value (RFC 9110, 5.6.3), but then Node's HTTP parser does not find "Upgrade" in it.
  if (lines.some((line) => /^connection:.*\S[ \t]*\t/i.test(line))) return undefined
  return headers.map(([, name, value]) => [name.toLowerCase(), value])
}

/** True if the request is valid beyond doubt: an answer other than 101 would be wrong. */
function isFlawless(text) {
  const headers = strictHeaders(text)
  if (headers === undefined) return false
  const isOne = (name, pattern) => valuesOf(headers, name).length === 1 && pattern.test(valuesOf(headers, name)[0])
  const isBare = (name, pattern) => valuesOf(headers, name).length === 0 || isOne(name, pattern)
  if (['content-length', 'transfer-encoding', 'expect', 'trailer'].some((name) => valuesOf(headers, name).length > 0))
    return false
  // Names must not be offered twice, and a server may decline parameters of permessage-deflate in more than one way.
  const names = valuesOf(headers, 'sec-websocket-protocol').join(',').split(/, ?/)
  if (new Set(names).size < names.length) return false
  if (valuesOf(headers, 'sec-websocket-extensions').some((value) => /permessage-deflate[^,]*;/.test(value)))
    return false
  return (
    isOne('host', /^[\w.-]+$/) &&
    isOne('upgrade', /^websocket$/i) &&
    isOne('connection', /^(keep-alive, )?upgrade$/i) &&
    isOne('sec-websocket-version', /^13$/) &&
    isOne('sec-websocket-key', CANONICAL_KEY) &&
    isBare('sec-websocket-extensions', TOKEN_LIST) &&
    isBare('sec-websocket-protocol', /^[\w.-]+(, ?[\w.-]+)*$/)
  )
}

/** The allowed answers: `isAccepted` is undefined if both would do; `accepts` are the possible answers to a key. */
export function judgeHandshake(bytes) {
  const text = bytes.toString('latin1')
  const why = reasonToRefuse(text)
  const accepts = valuesOf(looseHeaders(text), 'sec-websocket-key')
    .filter((value) => KEY.test(value))
    .map((key) => acceptFor(key))
  return {
    isAccepted: why === undefined ? isFlawless(text) || undefined : false,
    why: why ?? '',
    accepts,
    isComplete: /\r\n\r\n/.test(text)
  }
}
