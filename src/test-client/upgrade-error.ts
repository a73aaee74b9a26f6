import type { IncomingHttpHeaders } from 'node:http'

/** `testClient` rejects with it if the server answers the upgrade with an HTTP status, such as 401. */
export class UpgradeError extends Error {
  override readonly name = 'UpgradeError'
  /** The HTTP status. */
  readonly statusCode: number
  /** The headers of the answer, with names in lower case. */
  readonly headers: IncomingHttpHeaders
  /** The body of the answer, as text. */
  readonly body: string

  constructor(statusCode: number, headers: IncomingHttpHeaders, body: string) {
    super(`the server refused the upgrade with ${statusCode}: ${body}`)
    this.statusCode = statusCode
    this.headers = headers
    this.body = body
  }

  /** The body, parsed as JSON. */
  json(): unknown {
    return JSON.parse(this.body)
  }
}
