/** The server has answered, but not with what was asked for. `status` is that of the answer; 0 if there is none. */
export class ServerError extends Error {
  constructor(message, status) {
    super(message)
    this.status = status
  }
}

const PATIENCE = 5000

/** Asks for data. URLs are relative to the page, so that it works under any prefix. */
export function get(path, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined)
  return ask(`${path}?${new URLSearchParams(given)}`)
}

export function post(path, body) {
  return ask(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
}

async function ask(url, options) {
  const response = await reach(url, options)
  const answer = await jsonOf(response)
  if (!response.ok) throw new ServerError(answer?.error ?? `the server answers ${response.status}`, response.status)
  // After the end of a session, some servers answer with a page for signing in.
  if (answer === undefined) throw new ServerError('the server answers with another page', 401)
  return answer
}

async function reach(url, options) {
  try {
    return await fetch(url, { ...options, signal: AbortSignal.timeout(PATIENCE) })
  } catch {
    throw new ServerError('the server does not answer', 0)
  }
}

async function jsonOf(response) {
  try {
    return await response.json()
  } catch {
    return undefined
  }
}
