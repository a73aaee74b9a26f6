/** The address of a route in a document, and the names of its parameters. */
export interface Address {
  /** Such as `/chat/{room}`. */
  readonly text: string
  /** The names in the address, each with the name of Fastify's parameter. */
  readonly parameters: ReadonlyMap<string, string>
}

/** A part of a path of Fastify: an escaped colon, a parameter (also with a pattern, or optional), or the wildcard. */
const PART = /::|:([^/.\-():?*]+)(?:\(\))?\??|\*/g

/** Turns the path of a route into an address: `/chat/:room` becomes `/chat/{room}`. */
export function addressOf(url: string): Address {
  const parameters = new Map<string, string>()
  const text = withEmptyPatterns(url)
    .replace(/[{}]/g, encodeURIComponent)
    .replace(PART, (part, name: string | undefined) => {
      if (part === '::') return ':'
      const own = name ?? '*'
      // AsyncAPI allows no other characters in the names of parameters.
      const allowed = own === '*' ? 'wildcard' : own.replace(/[^\w-]/g, '_')
      parameters.set(allowed, own)
      return `{${allowed}}`
    })
  return { text, parameters }
}

/** Empties the regular expressions of parameters: `(\\d+)` becomes `()`. They may hold parentheses themselves. */
function withEmptyPatterns(url: string): string {
  let depth = 0
  let text = ''
  for (let i = 0; i < url.length; i++) {
    const char = url.charAt(i)
    if (char === ')' && depth > 0) depth--
    if (depth === 0) text += char
    else if (char === '\\') i++
    if (char === '(') depth++
  }
  return text
}
