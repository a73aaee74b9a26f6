import type { JsonSchemaToTsProvider } from '@fastify/type-provider-json-schema-to-ts'
import { contractWith } from '../../src/contract.ts'
import { connect, type TestClient } from '../support/server.ts'

const Text = {
  type: 'object',
  required: ['text'],
  additionalProperties: false,
  properties: { text: { type: 'string', maxLength: 10 } }
} as const

/** A contract with one of everything. */
export const talk = contractWith<JsonSchemaToTsProvider>()({
  name: 'talk',
  fromClient: { say: Text, leave: null },
  fromServer: { said: Text },
  calls: { echo: { input: Text, output: Text }, rename: { input: Text, errors: ['taken'] }, nothing: {} },
  asks: { confirm: { input: Text, output: Text, errors: ['refused'] } }
})

/** A frame with JSON-RPC's version. */
export function frame(members: object): object {
  return { jsonrpc: '2.0', ...members }
}

export function call(id: unknown, method: string, params?: unknown): object {
  return frame({ id, method, params })
}

export function event(method: string, params?: unknown): object {
  return frame({ method, params })
}

/** Sends JSON; a string as it is. */
export function send(client: TestClient, value: unknown): void {
  client.socket.send(typeof value === 'string' ? value : JSON.stringify(value))
}

/** The next frame that the client gets. */
export async function next(client: TestClient): Promise<any> {
  return JSON.parse(await client.next())
}

/** Sends a frame and returns the next one that comes. */
export function answerTo(client: TestClient, value: unknown): Promise<any> {
  send(client, value)
  return next(client)
}

/** A client that speaks plain JSON-RPC. */
export function openPlain(url: string): Promise<TestClient> {
  return connect(url)
}

/** A client with the subprotocol that has said nothing yet. */
export function openSilent(url: string): Promise<TestClient> {
  return connect(url, ['blaze.v1'])
}

/** A client with the subprotocol, after its hello. */
export async function openBlaze(url: string, params: object = {}): Promise<TestClient> {
  const client = await openSilent(url)
  await answerTo(client, call('hello', 'rpc.hello', params))
  return client
}

/** All that is left to receive, until the connection is closed. */
export async function restOf(client: TestClient): Promise<any[]> {
  await client.close()
  return client.messages.splice(0).map(({ data }) => JSON.parse(data) as unknown)
}

/** Resolves in a later turn of the event loop. */
export function later(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** A promise and the function that fulfils it. */
export function gate<T = void>(): { promise: Promise<T>; open: (value: T) => void } {
  let open: (value: T) => void = () => {}
  const promise = new Promise<T>((resolve) => {
    open = resolve
  })
  return { promise, open }
}
