import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectTo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeWith, Engine, NATS, REDIS } from '../cluster/support/engines.ts'
import { describeInBrowser, launchChromium, whySkipped } from '../support/chromium.ts'
import { connect, type TestClient } from '../support/server.ts'
import {
  closeExamples,
  type Example,
  removeExamples,
  runnablePathOf,
  start,
  startClientCode,
  startFile,
  typeErrors,
  writeExamples
} from './support/examples.ts'
import { type Block, blocksOf, fenceBelow } from './support/markdown.ts'

// docs/history.md: its examples need a client that comes back, Redis, and a page that is reloaded.

const PAGE = 'docs/history.md'
const blocks = blocksOf(PAGE)
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

/** The script in the page below a heading. */
function scriptBelow(heading: string): string {
  const { code } = fenceBelow(PAGE, heading, 'html')
  return code
    .replace(/^.*<script type="module">|<\/script>.*$/gs, '')
    .replace('/fastify-blaze-ws/client.js', 'fastify-blaze-ws/client')
}

const post = async (url: string, body: object = {}, method = 'POST'): Promise<any> => {
  const init = { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  return (await fetch(url, init)).json()
}

/** Connects as the client of this package does. */
async function openBlaze(url: string, positions?: object): Promise<TestClient> {
  const client = await connect(url, ['blaze.v1'])
  client.socket.send(JSON.stringify({ jsonrpc: '2.0', id: 'hello', method: 'rpc.hello', params: { positions } }))
  await client.next()
  return client
}

const nextJSON = async (client: TestClient): Promise<any> => JSON.parse(await client.next())

async function say(client: TestClient, text: string): Promise<void> {
  client.socket.send(JSON.stringify({ jsonrpc: '2.0', id: text, method: 'say', params: { text } }))
  await client.until(() => client.messages.some(({ data }) => data.includes(`"id":"${text}"`)))
}

test('all examples type-check', async () => {
  expect(await typeErrors()).toBe('')
})

describe('on one process', () => {
  test('History: a page that is new gets the last messages, one that comes back those that it has missed', async () => {
    const server = await start(blockBelow('History'))
    const ann = await openBlaze(server.ws('/chat/lobby'))
    const { params: joined } = await nextJSON(ann)
    for (let i = 1; i <= 60; i++) await say(ann, `${i}`)
    const offsets = async (positions?: object): Promise<number[]> => {
      const client = await openBlaze(server.ws('/chat/lobby'), positions)
      await client.until(() => client.messages.at(-1)?.data.includes('"offset":60') === true)
      return client.messages.slice(1).map(({ data }) => (JSON.parse(data) as { offset: number }).offset)
    }
    expect(await offsets()).toEqual(Array.from({ length: 50 }, (_, i) => 11 + i))
    expect(await offsets({ lobby: { ...joined, offset: 58 } })).toEqual([59, 60])
  })

  test('Joining: the messages of a room over HTTP', async () => {
    const server = await start(blockBelow('Joining'))
    expect(await (await fetch(server.http('/rooms/a/messages'))).json()).toEqual({ messages: [], isComplete: true })
  })

  test('Across page loads: the page keeps what it shows and where it is', async () => {
    const server = await start(blockBelow('History'))
    const ann = await openBlaze(server.ws('/chat/lobby'))
    await say(ann, 'one')
    const load = async (kept: string | null): Promise<string> => {
      const storage = `const sessionStorage = { getItem: () => ${JSON.stringify(kept)}, setItem: (_, value) => console.log(value) }`
      const page = await startClientCode(`${storage}\n${scriptBelow('Across page loads')}`, server)
      await page.ended()
      return page.output.trim().split('\n').at(-1) as string
    }
    const first = await load(null)
    await say(ann, 'two')
    const second = JSON.parse(await load(first)) as { messages: string[]; positions: object }
    expect(second).toMatchObject({ messages: ['one', 'two'], positions: { lobby: { offset: 2 } } })
  })

  test('State plus stream: what changes after the state was read comes as an event', async () => {
    const server = await start(blockBelow('State plus stream'))
    const set = (state: string): Promise<unknown> => post(server.http('/orders/1'), { state }, 'PUT')
    await set('new')
    const { state, positions } = (await (await fetch(server.http('/orders'))).json()) as any
    expect(state).toEqual([{ id: 1, state: 'new' }])
    await set('paid')
    const late = await openBlaze(server.ws('/orders/live'), positions)
    expect(await nextJSON(late)).toMatchObject({ method: 'rpc.joined', params: { recovered: true } })
    expect(await nextJSON(late)).toMatchObject({ method: 'changed', params: { id: 1, state: 'paid' } })

    const script = scriptBelow('State plus stream').replace("fetch('/", `fetch('${server.http('/')}`)
    const page = startClientCode(script, server)
    const setAgain = setInterval(() => void set('shipped'), 50)
    const { output } = await page
    clearInterval(setAgain)
    expect(output).toContain("Map(1) { 1 => { id: 1, state: 'shipped' } }")
  })

  test('Publishing once: with the same id, a message is stored once', async () => {
    const server = await start(blockBelow('Publishing once'))
    const { entries, offset } = await post(server.http('/orders/7/payment'))
    expect(offset).toBe(1)
    expect(entries).toMatchObject([{ offset: 1, type: 1, data: '{"order":"7","state":"paid"}' }])
  })

  test('Raw routes', async () => {
    const server = await start(blockBelow('Raw routes'))
    const { epoch } = await post(server.http('/ticker/x'), { price: 1 })
    await post(server.http('/ticker/x'), { price: 2 })
    expect(await (await connect(server.ws('/ticker/x'))).next()).toBe('{"price":2}')
    const since = await connect(server.ws(`/ticker/x?epoch=${epoch}&offset=0`))
    expect([await since.next(), await since.next()]).toEqual(['{"price":1}', '{"price":2}'])
  })
})

describeWith(REDIS, 'over Redis', () => {
  let redis: Engine
  const env = (): Record<string, string> => ({ REDIS_URL: `redis://127.0.0.1:${redis.port}` })
  const nodesOf = (block: Block): Promise<Example[]> => Promise.all([1, 2].map(() => start(block, env())))
  beforeAll(async () => {
    redis = await Engine.redis()
  })
  afterAll(() => redis.close())

  test('Several processes: the past of a room is the same on both', async () => {
    const [first, second] = (await nodesOf(blockBelow('Several processes'))) as [Example, Example]
    const ann = await connect(first.ws('/rooms/tea'))
    ann.socket.send('anybody here?')
    expect(await ann.next()).toBe('anybody here?')
    const bob = await connect(second.ws('/rooms/tea'))
    expect(await bob.next()).toBe('anybody here?')
    bob.socket.send('yes')
    expect([await ann.next(), await bob.next()]).toEqual(['yes', 'yes'])
  })

  describeWith(NATS, 'and NATS', () => {
    test('Several processes: NATS between them, and the store in Redis', async () => {
      const nats = await Engine.nats()
      const own = { ...env(), NATS_URL: `nats://127.0.0.1:${nats.port}` }
      const example = await start(blockBelow('Several processes', 1), own)
      expect(await example.ended()).toBe(0)
      expect(example.output).toContain('offset: 1')
      await nats.close()
    })
  })

  describeInBrowser(`in a browser${whySkipped}`, () => {
    const heading = 'An answer that goes on after a reload'
    const folder = mkdtempSync(join(tmpdir(), 'answers-'))
    let balancer: Balancer
    afterEach(() => balancer.close())
    afterAll(() => rmSync(folder, { recursive: true }))

    test(`${heading}, on another node`, async () => {
      writeFileSync(join(folder, 'answers.html'), fenceBelow(PAGE, heading, 'html').code)
      const file = runnablePathOf(blockBelow(heading))
      const [first, second] = (await Promise.all([1, 2].map(() => startFile(file, { env: env(), cwd: folder })))) as [
        Example,
        Example
      ]
      balancer = await Balancer.listen(first.port)
      const browser = await launchChromium()
      try {
        const page = await browser.newPage()
        await page.goto(balancer.url)
        await page.getByLabel('Question').fill('Why?')
        await page.keyboard.press('Enter')
        const answer = page.locator('#answer')
        await answer.getByText('You have asked: Why? One,').waitFor()
        expect(await answer.innerText()).not.toContain('That is all.')
        balancer.port = second.port
        await page.reload()
        await page.getByText('Done.').waitFor()
        const whole = 'You have asked: Why? One, two, three, four, five. That is all.'
        expect(await answer.innerText()).toBe(whole)
        await page.reload()
        await page.getByText('Done.').waitFor()
        expect(await answer.innerText()).toBe(whole)
      } finally {
        await browser.close()
      }
    })
  })
})

test('every example was started', () => {
  const skipped = (block: Block): boolean => /(REDIS|NATS)_URL/.test(block.code)
  expect([...untouched].filter((block) => !skipped(block)).map(({ heading }) => heading)).toEqual([])
})

/** Sends new connections to one of the nodes, as a load balancer may. */
class Balancer {
  readonly #server: Server
  port: number

  private constructor(server: Server, port: number) {
    this.#server = server
    this.port = port
  }

  static async listen(first: number): Promise<Balancer> {
    const server = createServer((socket) => {
      const target = connectTo(balancer.port, '127.0.0.1')
      for (const [from, to] of [
        [socket, target],
        [target, socket]
      ] as const)
        from.on('error', () => to.destroy()).pipe(to)
    })
    const balancer = new Balancer(server, first)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return balancer
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as { port: number }).port}/`
  }

  close(): Promise<unknown> {
    return new Promise((resolve) => this.#server.close(resolve))
  }
}
