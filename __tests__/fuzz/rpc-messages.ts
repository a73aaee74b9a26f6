/*
 * Makes the messages of a JSON-RPC client, most of them wrong. Everything follows from a seed.
 */

/** Random numbers from a seed of 32 bits (mulberry32). */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** At least 0 and less than 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let value = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61)
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32
  }

  /** An integer from 0 to `limit` - 1. */
  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }
}

// prettier-ignore
const METHODS = [
  'note', 'pair', 'tick', 'echo', 'sum', 'nothing', 'taken', 'boom', 'undeclared', 'note', 'echo', 'sum',
  'rpc.ping', 'rpc.hello', 'rpc.other', 'said', 'confirm', 'unknown', '', 'toString', 'constructor', '__proto__',
  'hasOwnProperty', 'Echo', 'echo ', 'é\u2028"\\', 'x'.repeat(5000)
]
/** As JSON texts, because some of them are no values of JavaScript. */
// prettier-ignore
const IDS = [
  '1', '"a"', '0', '-1', 'null', '""', '"s1"', '9007199254740991', '-9007199254740991', '1.0', '1e3', '-0',
  '9007199254740992', '1e400', '1.5', 'true', '{}', '[]', '["a"]', '{"id":1}', '"\\ud800"', '"\\u0000"', '"__proto__"',
  `"${'i'.repeat(256)}"`, `"${'i'.repeat(257)}"`, `"${'i'.repeat(70_000)}"`
]
// prettier-ignore
const VALUES = [
  '1', '"text"', 'null', 'true', '{}', '[]', '{"n":1}', '{"n":1.5}', '{"n":"1"}', '{"text":"x"}', '{"text":null}', '[1,2]',
  '["1",2]', '[null]', '{"n":1,"more":2}', '{"text":{"deep":[{"x":1}]}}', '{"n":9007199254740993}', '{"text":"__proto__"}',
  '{"__proto__":{"admin":true}}', '{"text":{"__proto__":1}}', '{"\\u005f_proto__":1}', '{"constructor":{"prototype":1}}',
  '{"constructor":1,"text":2}', '{"toString":1,"text":3}', '{"length":3,"text":"x"}', '{"then":1,"text":"x"}'
]
/** Methods with data that they accept. */
// prettier-ignore
const GOOD = [
  '"note","params":{"text":1}', '"pair","params":{"n":1}', '"tick"', '"tick","params":[]', '"sum","params":[1,2.5]',
  '"echo","params":{"text":[{"a":null}]}', '"sum","params":[]', '"nothing"', '"nothing","params":{}', '"taken"', '"boom"',
  '"undeclared"', '"rpc.ping"'
]
// prettier-ignore
const OTHERS = [
  '1', '"call"', 'null', 'true', '{}', '[]', '[1]', '[[]]', '[{}]', '{"jsonrpc":"2.0"}',
  '', ' ', '\uFEFF', '{', 'undefined', 'NaN'
]
// prettier-ignore
const PIECES = [
  '"', '{', '}', '[', ']', ',', ':', '0', '-', '\\', 'e', ' ', 'null', '"id":1,', '\u0000', '😀', '\ud800'
]

/** A message as text. */
export function messageOf(random: Random): string {
  const text = random.chance(0.25) ? batch(random) : random.chance(0.05) ? random.pick(OTHERS) : entry(random)
  if (random.chance(0.05)) return `\uFEFF \n${text}\t`
  return random.chance(0.2) ? mutated(text, random) : text
}

function batch(random: Random): string {
  const length = random.chance(0.03) ? 99 + random.below(4) : random.below(6)
  const entries = Array.from({ length }, () =>
    random.chance(0.08) ? batch(random) : random.chance(0.1) ? random.pick(OTHERS.slice(0, 10)) : entry(random)
  )
  return `[${entries.join(',')}]`
}

function entry(random: Random): string {
  if (random.chance(0.3)) return good(random)
  if (random.chance(0.1)) return response(random)
  const members: string[] = []
  if (!random.chance(0.03))
    members.push(`"jsonrpc":${random.chance(0.97) ? '"2.0"' : random.pick(['2.0', '"1.0"', 'null', '2'])}`)
  if (random.chance(0.7)) members.push(`"id":${random.chance(0.5) ? String(random.below(1e6)) : random.pick(IDS)}`)
  if (!random.chance(0.03)) members.push(`"method":${method(random)}`)
  if (random.chance(0.8)) members.push(`"params":${params(random)}`)
  if (random.chance(0.05))
    members.push(random.pick(['"id":2', '"result":1', '"error":{}', '"method":"echo"', '"more":[1]']))
  if (random.chance(0.3)) members.reverse()
  return `{${members.join(',')}}`
}

function good(random: Random): string {
  const id = random.chance(0.6) ? `"id":${random.below(10)},` : ''
  return `{"jsonrpc":"2.0",${id}"method":${random.pick(GOOD)}}`
}

function method(random: Random): string {
  return random.chance(0.95)
    ? JSON.stringify(random.pick(METHODS))
    : random.pick(['1', 'null', '["echo"]', '{}', 'true'])
}

/** What the methods want comes often, so that many messages are right. */
function params(random: Random): string {
  if (random.chance(0.4)) return random.pick(['{"n":1}', '{"text":"x"}', '[1,2]', '{}', `{"n":${random.below(1e9)}}`])
  return random.chance(0.97) ? random.pick(VALUES) : nested(random)
}

function nested(random: Random): string {
  const depth = random.pick([10, 100, 1000, 20_000])
  const inner = random.chance(0.5)
    ? `${'['.repeat(depth)}${']'.repeat(depth)}`
    : `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`
  return `{"text":${inner}}`
}

function response(random: Random): string {
  const outcome = random.pick([
    '"result":1',
    '"error":{"code":1,"message":"x"}',
    '"result":null',
    '"error":null',
    '"result":1,"error":1'
  ])
  return `{"jsonrpc":"2.0","id":${random.pick(IDS)},${outcome}}`
}

function mutated(text: string, random: Random): string {
  const at = random.below(text.length + 1)
  const end = at + random.below(8)
  const piece = random.pick(PIECES)
  return random.pick([
    text.slice(0, at) + text.slice(end),
    text.slice(0, at) + piece + text.slice(at),
    text.slice(0, at) + piece + text.slice(end),
    text.slice(0, at),
    text.slice(0, at) + text.slice(at, end) + text.slice(at)
  ])
}
