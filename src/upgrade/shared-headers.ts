import type { IncomingMessage } from 'node:http'

/** Headers whose values many requests share. None of them holds a secret. */
const COMMON = new Set([
  'accept-encoding',
  'accept-language',
  'cache-control',
  'connection',
  'host',
  'origin',
  'pragma',
  'sec-websocket-extensions',
  'sec-websocket-version',
  'upgrade',
  'user-agent'
])

const MAX_SHARED = 1_024
const MAX_LENGTH = 512
const known = new Map<string, string>()

/**
 * Makes a request share the names and common values of its headers with other requests, because it stays in memory for as long
 * as its connection is open. Node.js makes new strings for every request.
 */
export function shareHeaders({ rawHeaders, headers }: IncomingMessage): void {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] = shared(rawHeaders[i] as string))
    const key = name.toLowerCase()
    const value = rawHeaders[i + 1] as string
    if (COMMON.has(key) && headers[key] === value) headers[key] = rawHeaders[i + 1] = shared(value)
  }
}

function shared(text: string): string {
  const first = known.get(text)
  if (first !== undefined) return first
  if (text.length > MAX_LENGTH) return text
  // Clients can send any number of names and values.
  if (known.size >= MAX_SHARED) known.clear()
  known.set(text, text)
  return text
}
