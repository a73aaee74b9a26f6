import { connect, eventually, type TestClient } from '../support/server.ts'
import {
  closeExamples,
  type Example,
  removeExamples,
  start,
  startClient,
  typeErrors,
  writeExamples
} from './support/examples.ts'
import { type Block, blocksOf } from './support/markdown.ts'

// docs/contract.md, docs/client.md and docs/coming-from-socket.io.md: their examples talk to each other.

const blocks = ['docs/contract.md', 'docs/client.md', 'docs/coming-from-socket.io.md'].flatMap(blocksOf)
const untouched = new Set(blocks)

beforeAll(() => writeExamples(blocks))
afterEach(closeExamples)
afterAll(removeExamples)

function blockBelow(heading: string, index = 0): Block {
  const block = blocks.filter((block) => block.heading === heading)[index]
  if (block === undefined) throw new Error(`there is no example ${index} below "${heading}"`)
  untouched.delete(block)
  return block
}

const startBelow = (heading: string): Promise<Example> => start(blockBelow(heading))

interface Message {
  id?: unknown
  method?: string
  params?: unknown
  result?: unknown
  error?: { code: number; data?: unknown }
}

const nextMessage = async (client: TestClient): Promise<Message> => JSON.parse(await client.next()) as Message

function say(client: TestClient, message: Message): void {
  client.socket.send(JSON.stringify({ jsonrpc: '2.0', ...message }))
}

async function call(client: TestClient, method: string, params?: object): Promise<Message> {
  say(client, { id: method, method, params })
  return nextMessage(client)
}

test('all examples type-check', async () => {
  expect(await typeErrors()).toBe('')
})

describe('docs/contract.md', () => {
  test('Contracts: a chat whose names are unique', async () => {
    const server = await startBelow('Contracts')
    const [ann, bob] = [await connect(server.ws('/chat/lobby')), await connect(server.ws('/chat/lobby'))]
    expect(await call(ann, 'rename', { name: 'Ann' })).toMatchObject({ id: 'rename', result: { name: 'Ann' } })
    expect(await call(bob, 'rename', { name: 'Ann' })).toMatchObject({
      error: { code: -32_000, data: { code: 'taken' } }
    })
    expect(await call(bob, 'rename', {})).toMatchObject({ error: { code: -32_602, data: [{ path: '/name' }] } })
    say(ann, { method: 'say', params: { text: 'hello' } })
    expect(await nextMessage(bob)).toMatchObject({ method: 'said', params: { from: 'Ann', text: 'hello' } })
  })

  test('Contracts: the client', async () => {
    const server = await startBelow('Contracts')
    const client = await startClient(blockBelow('Contracts', 1), server)
    await eventually(() => client.output.includes('Ann: hello'))
  })

  test('The connection: a contract without events needs no handler', async () => {
    const client = await connect((await startBelow('The connection')).ws('/clock'))
    expect(await call(client, 'now')).toMatchObject({ result: { iso: expect.stringMatching(/Z$/) as string } })
  })

  test('Who is it? A wrong token closes with 4401', async () => {
    const server = await startBelow('Who is it?')
    const ann = await connect(server.ws('/notes'), ['blaze.v1'])
    expect(await call(ann, 'rpc.hello', { auth: 'secret' })).toMatchObject({ result: { heartbeat: 30_000 } })
    expect(await nextMessage(ann)).toMatchObject({ method: 'hello', params: { user: 'Ann' } })
    const mallory = await connect(server.ws('/notes'), ['blaze.v1'])
    expect(await call(mallory, 'rpc.hello', { auth: 'guess' })).toMatchObject({ error: { code: -32_000 } })
    expect((await mallory.close()).code).toBe(4401)
  })

  test('Asking the client: the answer of the client is the answer of the call', async () => {
    const client = await connect((await startBelow('Asking the client')).ws('/shop'))
    const ask = await call(client, 'buy', { price: 5 })
    expect(ask).toMatchObject({ method: 'confirm', params: { price: 5 } })
    say(client, { id: ask.id, result: { ok: true } })
    expect(await nextMessage(client)).toMatchObject({ id: 'buy', result: { ok: true } })
  })
})

test('docs/contract.md: a document of all messages', async () => {
  const server = await startBelow('A document of all messages')
  const document = await (await fetch(server.http('/asyncapi.json'))).json()
  expect(document).toMatchObject({ asyncapi: '3.0.0', info: { title: 'Chat', version: '1.0.0' } })
})

describe('docs/client.md', () => {
  test('The client', async () => {
    const server = await startBelow('Contracts')
    const client = await startClient(blockBelow('The client'), server)
    await eventually(() => client.output.includes('guest: hello'))
    expect(client.output).toContain('open')
  })

  test('When it comes back: each connection gets its name', async () => {
    const server = await startBelow('Contracts')
    const client = await startClient(blockBelow('When it comes back'), server)
    await eventually(() => client.output.includes("{ name: 'Ann' }"))
  })

  test('The client: a server that serves it to pages', async () => {
    const server = await start(blockBelow('The client', 1))
    const script = await fetch(server.http('/fastify-blaze-ws/client.js'))
    expect([script.status, await script.text()]).toEqual([200, expect.stringContaining('connect')])
  })
})

test('docs/coming-from-socket.io.md: the chat', async () => {
  const server = await startBelow('Coming from Socket.IO')
  const client = await connect(server.ws('/chat'))
  expect(await call(client, 'shout', { text: 'hello' })).toMatchObject({ result: { text: 'HELLO' } })
  say(client, { method: 'say', params: { text: 'hello' } })
  expect(await nextMessage(client)).toMatchObject({ method: 'said', params: { text: 'hello' } })
})

test('every example was started', () => {
  expect([...untouched].map(({ page, heading }) => `${page}: ${heading}`)).toEqual([])
})
