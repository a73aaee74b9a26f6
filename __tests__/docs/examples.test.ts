import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { WebSocket } from 'ws'
import { RawClient } from '../support/raw-client.ts'
import { connect, eventually, type TestClient } from '../support/server.ts'
import { describeWith, Engine, freePort, NATS, REDIS } from '../cluster/support/engines.ts'
import { Daemon, endDaemons } from './support/daemon.ts'
import {
  closeExamples,
  type Example,
  removeExamples,
  runnablePathOf,
  start,
  typeErrors,
  writeExamples
} from './support/examples.ts'
import { type Block, blocksOf, PAGES } from './support/markdown.ts'

const blocks = PAGES.flatMap(blocksOf)

beforeAll(() => writeExamples([...blocks, unawaited]))
afterEach(closeExamples)
afterEach(endDaemons)
afterAll(removeExamples)

/** These pages have their own test files. */
const OTHERS = new Set(
  ['deployment', 'contract', 'client', 'coming-from-socket.io', 'history', 'testing'].map((name) => `docs/${name}.md`)
)

/** The examples that have not been started by a test yet. */
const untouched = new Set(blocks.filter(({ page }) => !OTHERS.has(page)))

/** The example for several messages at once, broken on purpose: its handler does not await the jobs it has started. */
const unawaited = variantOf('Several messages at once', 'await Promise.all(running)')

function blockBelow(page: string, heading: string, index = 0): Block {
  const block = blocks.filter((block) => block.page === page && block.heading === heading)[index]
  if (block === undefined) throw new Error(`${page} has no example ${index} below "${heading}"`)
  untouched.delete(block)
  return block
}

/** Starts an example below a heading, by default the first one. */
async function startBelow(
  page: string,
  heading: string,
  index = 0,
  env: Record<string, string> = {}
): Promise<Example> {
  return start(blockBelow(page, heading, index), env)
}

/** An example of docs/routes.md without a part of its code. */
function variantOf(heading: string, part: string): Block {
  const block = blockBelow('docs/routes.md', heading)
  if (!block.code.includes(part)) throw new Error(`the example below "${heading}" has no "${part}"`)
  return { ...block, line: block.line + 1, code: block.code.replace(part, '') }
}

const tour = (heading: string) => startBelow('README.md', heading)

/** Sends a text and returns the answer. */
function ask(client: TestClient, text: string): Promise<string> {
  client.socket.send(text)
  return client.next()
}

const nextJSON = async (client: TestClient): Promise<unknown> => JSON.parse(await client.next())

const postJSON = async (url: string, body: unknown): Promise<unknown> => {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  return (await fetch(url, init)).json()
}

test('there are examples', () => {
  expect(blocks.length).toBeGreaterThan(25)
})

test('all examples type-check', async () => {
  expect(await typeErrors()).toBe('')
})

describe('README.md', () => {
  test('At a glance: a chat with a contract', async () => {
    const client = await connect((await tour('At a glance')).ws('/chat'))
    const message = { jsonrpc: '2.0', method: 'say', params: { text: 'hello' } }
    expect(JSON.parse(await ask(client, JSON.stringify(message)))).toEqual({ ...message, method: 'said' })
  })

  test.each(['Install', 'CommonJS'])('%s: an echo server', async (heading) => {
    const { ws } = bound(await tour(heading))
    const client = await connect(ws('/echo'))
    expect(await ask(client, 'hello')).toBe('hello')
  })

  test('Basic usage', async () => {
    const client = await connect((await tour('Basic usage')).ws('/shout'))
    expect(await ask(client, 'hello')).toBe('HELLO')
  })

  test('JSON', async () => {
    const client = await connect((await tour('JSON')).ws('/sum'))
    expect(await ask(client, '{"a":1,"b":2}')).toBe('{"sum":3}')
    client.socket.send('one and two')
    expect((await client.close()).code).toBe(1007)
  })

  test('Configuration', async () => {
    const { ws } = bound(await tour('Configuration'))
    for (const origin of ['https://example.com', 'https://app.example.com']) {
      const client = await connect(ws('/feed'), [], { origin })
      expect(await ask(client, 'hello')).toBe('5 bytes')
    }
    await expect(connect(ws('/feed'), [], { origin: 'https://example.org' })).rejects.toThrow('403')
    const client = await connect(ws('/feed'))
    client.socket.send('x'.repeat(64 * 1024 + 1))
    expect((await client.close()).code).toBe(1009)
  })

  test('Connection properties and lifecycle', async () => {
    const { ws } = bound(await tour('Connection properties and lifecycle'))
    expect(await ask(await connect(ws('/hello?name=Ann')), 'hi')).toBe('Ann: hi')
    expect(await ask(await connect(ws('/hello')), 'hi')).toBe('stranger: hi')
  })

  test('Message types', async () => {
    const client = await connect((await tour('Message types')).ws('/types'))
    await client.until(() => client.messages.length === 3)
    expect(client.messages.splice(0)).toEqual([
      { data: 'some text', isBinary: false },
      { data: '\u0001\u0002\u0003', isBinary: true },
      { data: '{"status":"success"}', isBinary: false }
    ])
    client.socket.send(Buffer.from('c0ffee', 'hex'))
    expect(await client.next()).toBe('bytes: c0ffee')
    expect((await client.close()).code).toBe(1000)
  })

  test('Hub', async () => {
    const { ws, http } = bound(await tour('Hub'))
    const [ann, bob] = await Promise.all([connect(ws('/live')), connect(ws('/live'))])
    await eventually(async () => ((await (await fetch(http('/stats'))).json()) as { clients: number }).clients === 2)
    ann.socket.send('hello')
    expect([await ann.next(), await bob.next()]).toEqual(['hello', 'hello'])
    expect(await postJSON(http('/broadcast'), { message: 'from outside' })).toEqual({ receivers: 2 })
    expect([await ann.next(), await bob.next()]).toEqual(['from outside', 'from outside'])
    expect(await postJSON(http('/broadcast'), {})).toMatchObject({ statusCode: 400 })
  })

  test('Nothing missed', async () => {
    const { ws } = bound(await tour('Nothing missed'))
    const ann = await connect(ws('/news/tea'))
    expect(await ask(ann, 'hello')).toBe('hello')
    expect(await (await connect(ws('/news/tea'))).next()).toBe('hello')
  })

  test('Custom routing', async () => {
    const { ws } = bound(await tour('Custom routing'))
    const [ann, bob] = await Promise.all([connect(ws('/channels')), connect(ws('/channels'))])
    for (const client of [ann, bob]) {
      client.socket.send('{"type":"join","channel":"news"}')
      expect(await ask(client, '{"type":"dance"}')).toBe('{"type":"error","text":"unknown message type"}')
    }
    const message = '{"type":"message","channel":"news","text":"hi"}'
    expect([await ask(ann, message), await bob.next()]).toEqual([message, message])
    bob.socket.send('{"type":"leave","channel":"news"}')
    await ask(bob, '{"type":"dance"}')
    expect(await ask(ann, message)).toBe(message)
    expect(await ask(bob, '{"type":"dance"}')).toContain('unknown message type')
  })

  test('Authentication', async () => {
    const { ws } = bound(await tour('Authentication'))
    const stranger = await connect(ws('/private'))
    stranger.socket.send('{"token":"guess"}')
    expect(await stranger.close()).toEqual({ code: 1008, reason: 'invalid token' })
    const ann = await connect(ws('/private'))
    expect(await ask(ann, '{"token":"secret"}')).toBe('{"welcome":"Ann"}')
    expect(await ask(ann, 'hi')).toBe('Ann: hi')
  })

  test('Rate limiting', async () => {
    const client = await connect((await tour('Rate limiting')).ws('/limited'))
    for (let i = 0; i < 20; i++) expect(await ask(client, `${i}`)).toBe(`${i}`)
    let refused = false
    while (!refused) refused = (await ask(client, 'more')) === '{"error":"rate limit exceeded"}'
    // After a while there are tokens again.
    while ((await ask(client, 'again')) !== 'again');
  })

  test('Groups and middleware', async () => {
    const { ws } = bound(await tour('Groups and middleware'))
    await expect(connect(ws('/api/v1/chat'))).rejects.toThrow('401')
    const ann = await connect(ws('/api/v1/chat'), [], { headers: { authorization: 'Bearer secret' } })
    expect(await ann.next()).toBe('hello Ann')
  })

  test('Errors', async () => {
    const client = await connect((await tour('Errors')).ws('/careful'))
    expect(await ask(client, '')).toBe('{"error":"say something"}')
    expect(await ask(client, 'x')).toBe('got x')
    client.socket.close(4000)
    expect((await client.close()).code).toBe(4000)
  })

  test('Shutdown', async () => {
    const example = await tour('Shutdown')
    const client = await connect(example.ws('/jobs'))
    expect(await ask(client, 'one')).toBe('done: one')
    example.kill('SIGTERM')
    expect(await client.next()).toBe('we are restarting, come back in a moment')
    expect((await client.close()).code).toBe(1001)
    expect(await example.ended()).toBe(0)
  })

  test('Asynchronous writing', async () => {
    const client = await connect((await tour('Asynchronous writing')).ws('/ticks'))
    expect(Date.parse(await client.next())).not.toBeNaN()
    client.socket.send('hello')
    await client.until(() => client.messages.some(({ data }) => data === 'hello'))
  })

  test('Connection pooling', async () => {
    const { ws, http } = bound(await tour('Connection pooling'))
    const ann = await connect(ws('/users/ann'))
    expect(await ask(ann, 'hello')).toBe('hello')
    const notify = (id: string) =>
      fetch(http(`/users/${id}/notify`), { method: 'POST' }).then((answer) => answer.json())
    expect(await notify('ann')).toEqual({ delivered: true })
    expect(await ann.next()).toBe('you have mail')
    expect(await notify('bob')).toEqual({ delivered: false })
  })

  test('Chat', async () => {
    const { ws } = bound(await tour('Chat'))
    const ann = await connect(ws('/chat/tea?name=Ann'))
    expect(await nextJSON(ann)).toMatchObject({ type: 'system', text: 'Ann is here' })
    const bob = await connect(ws('/chat/tea?name=Bob'))
    for (const client of [ann, bob])
      expect(await nextJSON(client)).toMatchObject({ type: 'system', text: 'Bob is here' })
    const other = await connect(ws('/chat/coffee'))
    expect(await nextJSON(other)).toMatchObject({ name: 'guest' })
    ann.socket.send('{"text":"hi"}')
    for (const client of [ann, bob])
      expect(await nextJSON(client)).toMatchObject({ type: 'message', name: 'Ann', text: 'hi' })
    bob.socket.close()
    expect(await nextJSON(ann)).toMatchObject({ type: 'system', text: 'Bob has left' })
    expect(other.messages).toEqual([])
  })
})

describe('docs', () => {
  test('options of the plugin apply to its routes', async () => {
    const example = await startBelow('docs/routes.md', 'Options of the plugin')
    const client = await connect(example.ws('/ws'))
    expect(await ask(client, 'hello')).toBe('hello')
    const closing = example.close()
    expect(await client.close()).toEqual({ code: 1001, reason: 'the server restarts' })
    await closing
  })

  test('an error with its own code and reason', async () => {
    const client = await connect((await startBelow('docs/routes.md', 'Handlers')).ws('/strict'))
    expect(await ask(client, 'hello')).toBe('hello')
    client.socket.send('hello, and so on')
    expect(await client.close()).toEqual({ code: 4001, reason: 'be brief' })
  })

  describe('several messages at once', () => {
    const jobs = Array.from({ length: 20 }, (_, i) => `job ${i}`)

    /** Sends all jobs, closes the server after the first answer, and returns the answers that came. */
    async function answersOf(block: Block): Promise<string[]> {
      const example = await start(block)
      const client = await connect(example.ws('/jobs'))
      for (const job of jobs) client.socket.send(job)
      const answers = [await client.next()]
      const closing = example.close()
      expect((await client.close()).code).toBe(1001)
      await closing
      return [...answers, ...client.messages.map(({ data }) => data)]
    }

    test('a shutdown loses nothing', async () => {
      const answers = await answersOf(blockBelow('docs/routes.md', 'Several messages at once'))
      expect(answers.toSorted()).toEqual(jobs.map((job) => JSON.stringify({ job, state: 'done' })).toSorted())
    })

    test('without the await, a shutdown loses answers', async () => {
      expect((await answersOf(unawaited)).length).toBeLessThan(jobs.length)
    })

    test('a failed job is reported, and the others go on', async () => {
      const client = await connect((await startBelow('docs/routes.md', 'Several messages at once')).ws('/jobs'))
      for (const job of ['', 'one']) client.socket.send(job)
      expect([await client.next(), await client.next()]).toEqual([
        '{"job":"","state":"failed"}',
        '{"job":"one","state":"done"}'
      ])
      // A client that leaves in the middle of a job does not harm the process, either.
      client.socket.send('two')
      client.socket.terminate()
    })
  })

  test('a replacement for onResponse', async () => {
    const { ws, http } = bound(await startBelow('docs/routes.md', 'Hooks'))
    const openOnes = async (): Promise<unknown> => (await fetch(http('/open'))).json()
    const client = await connect(ws('/counted'))
    expect(await ask(client, 'hello')).toBe('hello')
    expect(await openOnes()).toEqual({ open: 1 })
    client.socket.close()
    await eventually(async () => JSON.stringify(await openOnes()) === '{"open":0}')
  })

  test('route options', async () => {
    const { ws, http } = bound(await startBelow('docs/routes.md', 'Route options'))
    expect(await (await connect(ws('/rooms/7?token=secret'))).next()).toBe('room 7')
    await expect(connect(ws('/rooms/7?token=guess'))).rejects.toThrow('403')
    await expect(connect(ws('/rooms/7'))).rejects.toThrow('400')
    await expect(connect(ws('/rooms/seven?token=secret'))).rejects.toThrow('400')
    const answer = await fetch(http('/rooms/7?token=secret'))
    expect([answer.status, answer.headers.get('upgrade')]).toEqual([426, 'websocket'])
  })

  test('a page and a WebSocket on one path', async () => {
    const { ws, http } = bound(await startBelow('docs/routes.md', 'Route options', 1))
    expect(await (await fetch(http('/console'))).text()).toBe('<h1>Console</h1>')
    expect(await (await connect(ws('/console'))).next()).toBe('ready')
  })

  test('together with @fastify/websocket', async () => {
    const { ws } = bound(await startBelow('docs/routes.md', 'Beside @fastify/websocket'))
    const [before, now] = await Promise.all([connect(ws('/old')), connect(ws('/new'))])
    expect([await ask(before, 'a'), await ask(now, 'a')]).toEqual(['old: a', 'new: a'])
    before.socket.send('x'.repeat(1025))
    expect((await before.close()).code).toBe(1009)
    expect(await ask(now, 'x'.repeat(1025))).toHaveLength(1030)
  })

  test('subprotocols', async () => {
    const { ws } = bound(await startBelow('docs/configuration.md', 'Options'))
    expect(await (await connect(ws('/chat'), ['chat.v1', 'chat.v2'])).next()).toBe('you speak chat.v2')
    expect(await (await connect(ws('/chat'))).next()).toBe('you speak nothing special')
  })

  test('origins', async () => {
    const example = await startBelow('docs/configuration.md', 'Origins')
    const answer = async (path: string, origin: string) => {
      const client = new RawClient(example.port)
      client.handshake(path, { Host: `localhost:${example.port}`, Origin: origin })
      const { status } = await client.head()
      client.reset()
      return status
    }
    expect(await answer('/own', `http://localhost:${example.port}`)).toBe(101)
    expect(await answer('/own', `https://localhost:${example.port}`)).toBe(403)
    expect(await answer('/own', 'null')).toBe(403)
    expect(await answer('/partners', 'https://a.b.example.com')).toBe(101)
    expect(await answer('/partners', 'https://example.com:444')).toBe(403)
    expect(await answer('/asked', 'https://example.org')).toBe(101)
    expect(await answer('/asked', 'https://example.com')).toBe(403)
  })

  test('clients that cannot compress', async () => {
    const { ws } = bound(await startBelow('docs/configuration.md', 'Compression'))
    const broken = await connect(ws('/any-client'), [], { headers: { 'user-agent': 'Mojolicious (Perl)' } })
    const working = await connect(ws('/any-client'))
    expect([broken.socket.extensions, working.socket.extensions]).toEqual([
      '',
      expect.stringContaining('permessage-deflate')
    ])
    expect(await ask(broken, 'hello')).toBe('5 bytes')
  })

  test('a read with a timeout', async () => {
    const { ws } = bound(await startBelow('docs/connection.md', 'Reading'))
    expect(await (await connect(ws('/patient'))).next()).toBe('you said nothing')
    const client = new WebSocket(ws('/patient'))
    client.once('open', () => client.send('hello'))
    const [data] = (await once(client, 'message')) as [Buffer]
    expect(data.toString()).toBe('you said hello')
  })

  test('writing', async () => {
    const client = await connect((await startBelow('docs/connection.md', 'Writing')).ws('/countdown'))
    expect(await client.close()).toEqual({ code: 1000, reason: 'handler returned' })
    expect(client.messages.map(({ data }) => data)).toEqual(['3', '2', '1', 'go'])
  })

  test('the signal of a connection', async () => {
    const example = await startBelow('docs/connection.md', 'Closing')
    const client = await connect(example.ws('/slow-answer'))
    expect(await ask(client, 'why?')).toBe('after some thought: why?')
  })

  test('The socket below', async () => {
    const client = await connect((await startBelow('docs/connection.md', 'The socket below')).ws('/listeners'))
    expect([await ask(client, 'one'), await ask(client, 'two')]).toEqual(['one', 'two'])
    client.socket.close(4000)
    expect((await client.close()).code).toBe(4000)
  })

  test('typed locals', async () => {
    const client = await connect((await startBelow('docs/connection.md', 'Locals')).ws('/visits'))
    expect([await ask(client, 'a'), await ask(client, 'b')]).toEqual(['{"visits":1}', '{"visits":2}'])
  })

  test('broadcast options', async () => {
    const { ws } = bound(await startBelow('docs/hub.md', 'Broadcasting'))
    const [ann, bob] = [await connect(ws('/rooms/a')), await connect(ws('/rooms/a'))]
    const eve = await connect(ws('/rooms/b'))
    // Pings are answered after the upgrade: by then, all clients have joined.
    for (const client of [ann, bob, eve]) {
      client.socket.ping()
      await once(client.socket, 'pong')
    }
    ann.socket.send('hi')
    expect(await bob.next()).toBe('hi')
    expect(await eve.next()).toBe('{"activity":"a"}')
    bob.socket.send('hello')
    expect(await ann.next()).toBe('hello')
  })

  test('a separate hub with its own policy', async () => {
    const client = await connect((await startBelow('docs/hub.md', 'Slow clients')).ws('/prices'))
    expect(await ask(client, 'X')).toBe('{"symbol":"X","price":1}')
  })

  test('strokes, cursors and typing', async () => {
    const { ws } = bound(await startBelow('docs/hub.md', 'What a slow client may miss'))
    const [ann, bob] = [await connect(ws('/boards/a')), await connect(ws('/boards/a'))]
    for (const client of [ann, bob]) {
      client.socket.ping()
      await once(client.socket, 'pong')
    }
    for (const text of ['stroke 1', 'cursor 1', 'typing', 'stroke 2']) ann.socket.send(text)
    expect([await ann.next(), await ann.next()]).toEqual(['stroke 1', 'stroke 2'])
    await bob.until(() => bob.messages.length === 4)
    expect(bob.messages.map(({ data }) => data)).toEqual(['stroke 1', 'cursor 1', 'typing', 'stroke 2'])
  })

  test('the newest cursor', async () => {
    const { ws } = bound(await startBelow('docs/hub.md', 'The newest value at a pace'))
    const [ann, bob] = [await connect(ws('/cursors/a')), await connect(ws('/cursors/a'))]
    for (const client of [ann, bob]) {
      client.socket.ping()
      await once(client.socket, 'pong')
    }
    for (let i = 0; i < 20; i++) ann.socket.send(`${i}`)
    await bob.until(() => bob.messages.at(-1)?.data === '19')
    expect(bob.messages[0]?.data).toBe('0')
  })

  test('who was reached', async () => {
    const { http } = bound(await startBelow('docs/hub.md', 'Who was reached'))
    const reached = await postJSON(http('/users/ann/notify'), { text: 'hi' })
    expect(reached).toEqual({ isOnline: false, isCertain: true })
  })

  test('numbers', async () => {
    const { http } = bound(await startBelow('docs/hub.md', 'Numbers'))
    const numbers = { clients: 0, rooms: 0, messagesSent: 0, bytesSent: 0, drops: 0, slowDisconnects: 0 }
    expect(await (await fetch(http('/metrics'))).json()).toEqual(numbers)
  })

  test('shutdown: a last word, the message, and the reason', async () => {
    const example = await startBelow('docs/shutdown.md', 'Shutdown')
    const client = await connect(example.ws('/work'))
    expect(await ask(client, 'one')).toBe('done: one')
    example.kill('SIGINT')
    expect([await client.next(), await client.next()]).toEqual(['good-bye', '{"type":"restart"}'])
    expect(await client.close()).toEqual({ code: 1001, reason: 'restarting' })
    expect(await example.ended()).toBe(0)
  })

  test('shutdown: the signal interrupts slow work', async () => {
    const example = await startBelow('docs/shutdown.md', 'Shutdown', 1)
    const client = await connect(example.ws('/report'))
    expect(await client.next()).toBe('working on it')
    const closing = example.close()
    expect((await client.close()).code).toBe(1001)
    await closing
  })

  test('errors before the upgrade go through the error handler', async () => {
    const example = await startBelow('docs/errors.md', 'Errors')
    const client = new RawClient(example.port)
    client.handshake('/members')
    expect((await client.head()).status).toBe(403)
    client.reset()
  })

  test('a close error tells how the connection ended', async () => {
    const client = await connect((await startBelow('docs/errors.md', 'When a connection has ended')).ws('/farewell'))
    client.socket.close(4000, 'bye')
    expect(await client.close()).toEqual({ code: 4000, reason: 'bye' })
  })
})

describeWith(REDIS, 'docs, over Redis', () => {
  let redis: Engine
  const env = (): Record<string, string> => ({ REDIS_URL: `redis://127.0.0.1:${redis.port}` })
  beforeAll(async () => {
    redis = await Engine.redis()
  })
  afterAll(() => redis.close())

  test.each([
    ['docs/scaling.md', 'Scaling'],
    ['README.md', 'More than one process']
  ])('%s: two nodes work as one', async (page, heading) => {
    const nodes = await Promise.all([1, 2].map(() => startBelow(page, heading, 0, env())))
    const [ann, bob] = (await Promise.all(nodes.map((node) => connect(node.ws('/rooms/tea'))))) as [
      TestClient,
      TestClient
    ]
    await eventually(() => {
      ann.socket.send('anybody here?')
      return bob.messages.length > 0
    })
    expect(await bob.next()).toBe('anybody here?')
    for (const node of nodes) await node.close()
  })

  test.each([0, 1])('publishing from elsewhere (%i)', async (index) => {
    const example = await startBelow('docs/scaling.md', 'Publishing from elsewhere', index, env())
    expect(await example.ended()).toBe(0)
    expect(example.output).toBe('')
  })

  test('tickets and limits', async () => {
    const { ws, http } = bound(await startBelow('docs/scaling.md', 'Shared tickets and limits', 0, env()))
    const { ticket } = (await (await fetch(http('/ticket'), { method: 'POST' })).json()) as { ticket: string }
    expect(await (await connect(ws(`/inbox?ticket=${ticket}`))).next()).toBe('you have mail')
    await expect(connect(ws(`/inbox?ticket=${ticket}`))).rejects.toThrow('401')
  })
})

describeWith(NATS, 'docs, over NATS', () => {
  test('a server', async () => {
    const nats = await Engine.nats()
    const example = await startBelow('docs/scaling.md', 'Brokers', 0, { NATS_URL: `nats://127.0.0.1:${nats.port}` })
    await example.close()
    await nats.close()
  })
})

describe('docs, on one node', () => {
  test('the dashboard', async () => {
    const { http } = bound(await startBelow('docs/dashboard.md', 'Set up', 0, { DASHBOARD_PASSWORD: 'sesame' }))
    const asking = (password: string) => ({ headers: { authorization: `Basic ${btoa(`operator:${password}`)}` } })
    const answers = [{}, asking('wrong'), asking('sesame')].map((options) => fetch(http('/realtime'), options))
    const [without, wrong, right] = (await Promise.all(answers)) as [Response, Response, Response]
    expect([without.status, wrong.status, right.status]).toEqual([401, 401, 200])
    expect(without.headers.get('www-authenticate')).toBe('Basic realm="dashboard"')
    expect(await right.text()).toContain('<title>Realtime')
  })

  test('presence', async () => {
    const { ws } = bound(await startBelow('docs/presence.md', 'Presence'))
    const ann = await connect(ws('/rooms/tea?name=Ann'))
    expect(await nextJSON(ann)).toMatchObject({ join: { key: 'Ann' } })
    expect(await nextJSON(ann)).toMatchObject({ here: [{ key: 'Ann' }] })
    const bob = await connect(ws('/rooms/tea?name=Bob'))
    expect(await nextJSON(bob)).toMatchObject({ join: { key: 'Bob' } })
    expect(await nextJSON(bob)).toMatchObject({ here: [{ key: 'Ann', info: { name: 'Ann' } }, { key: 'Bob' }] })
    expect(await nextJSON(ann)).toMatchObject({ join: { key: 'Bob' } })
    bob.socket.close()
    expect(await nextJSON(ann)).toMatchObject({ leave: { key: 'Bob' } })
  })

  test('asking the cluster', async () => {
    const { http } = bound(await startBelow('docs/scaling.md', 'Asking the cluster'))
    expect(await (await fetch(http('/cluster'))).json()).toMatchObject({
      nodes: [{ clients: 0 }],
      missing: [],
      count: 0,
      rooms: []
    })
  })

  test('all cores of one machine', async () => {
    const file = runnablePathOf(blockBelow('docs/scaling.md', 'All cores of one machine'))
    const port = await freePort()
    const primary = new Daemon(process.execPath, [file], { env: { PORT: String(port) } })
    await eventually(
      () => primary.output.match(/listening at http:\/\/127\.0\.0\.1/g)?.length === availableParallelism(),
      'the start of all workers'
    )
    // The workers take connections in turn, so neighbours are on different ones.
    const clients = await Promise.all([1, 2, 3].map(() => connect(`ws://127.0.0.1:${port}/rooms/tea`)))
    await eventually(() => {
      clients[0]?.socket.send('anybody here?')
      return clients.every(({ messages }) => messages.length > 0)
    })
    for (const { socket } of clients) socket.terminate()
  })

  test('ready', async () => {
    const { ws } = bound(await startBelow('docs/scaling.md', 'What works across nodes'))
    expect(await nextJSON(await connect(ws('/scores/1')))).toEqual({ type: 'ready', isComplete: true })
  })

  test.each(['Testing', 'Contract routes', 'Slow and broken connections'])(
    'the tests of docs/testing.md pass: %s',
    async (heading) => {
      const example = await startBelow('docs/testing.md', heading)
      expect(await example.ended()).toBe(0)
      expect(example.output).toContain('# fail 0')
    }
  )

  test.each([
    ['docs/scaling.md', 'A broker of your own'],
    ['docs/testing.md', 'A history of your own']
  ])('the tests of a contract pass: %s, %s', async (page, heading) => {
    const example = await startBelow(page, heading)
    expect(await example.ended()).toBe(0)
    expect(example.output).toContain('# fail 0')
  })
})

describe('docs/observability.md, adapters', () => {
  test('Prometheus', async () => {
    const server = await startBelow('docs/observability.md', 'Prometheus')
    const client = await connect(server.ws('/rooms/one'))
    expect(await ask(client, 'hello')).toBe('hello')
    const metrics = await (await fetch(server.http('/metrics'))).text()
    expect(metrics).toContain('fastify_blaze_ws_connections{route="/rooms/:room"} 1')
  })

  test('OpenTelemetry', async () => {
    const server = await startBelow('docs/observability.md', 'OpenTelemetry')
    const client = await connect(server.ws('/chat'))
    const said = await ask(client, '{"jsonrpc":"2.0","id":1,"method":"say","params":{"text":"hello"}}')
    expect(JSON.parse(said)).toMatchObject({ method: 'said', params: { text: 'hello' } })
  })
})

test('the examples that are not tested above run without an error', async () => {
  for (const block of untouched) {
    // Those are skipped above.
    if (/(REDIS|NATS)_URL/.test(block.code)) continue
    const example = await start(block)
    await example.close()
    expect(await example.ended()).toBe(0)
  }
})

/** The functions that build an example's addresses, bound so that they can be destructured. */
function bound(example: Example): { ws: (path: string) => string; http: (path: string) => string } {
  return { ws: (path) => example.ws(path), http: (path) => example.http(path) }
}
