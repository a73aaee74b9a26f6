import { Parser } from '@asyncapi/parser'
import type { FastifyInstance } from 'fastify'
import type { AsyncApiDocument, AsyncApiInfo } from '../../src/index.ts'
import { startServer } from '../support/server.ts'

/** The severity of an error. */
const ERROR = 0

/** The document of a server, after AsyncAPI's own parser has found no error in it. */
export async function documentOf(
  setUp: (app: FastifyInstance) => void | Promise<void>,
  info?: AsyncApiInfo
): Promise<AsyncApiDocument> {
  const { app } = await startServer(setUp)
  const document = app.asyncapi(info)
  await expectValid(document)
  return document
}

export async function expectValid(document: AsyncApiDocument): Promise<void> {
  const { diagnostics } = await new Parser().parse(JSON.stringify(document))
  const errors = diagnostics.filter(({ severity }: { severity: number }) => severity === ERROR)
  expect(errors.map(({ message, path }) => `${path.join('.')}: ${message}`)).toEqual([])
}

/** The payload of a message. */
export function payload(document: AsyncApiDocument, channel: string, message: string): Record<string, any> {
  return document.channels[channel].messages[message].payload
}
