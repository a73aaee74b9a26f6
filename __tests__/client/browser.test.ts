import { join } from 'node:path'
import { buildSync } from 'esbuild'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { describeInBrowser, launchChromium, whySkipped } from '../support/chromium.ts'
import { closeServers, eventually } from '../support/server.ts'
import { type ChatApp, startChat } from './chat-app.ts'
import { closeAll, Network } from './support.ts'

const root = join(__dirname, '..', '..')

/** What runs in the page. Waits are so long that only events can end them, unless the address has other ones. */
const PAGE = `<!doctype html><title>chat</title><script type="module">
  import { connect } from '/client.js'
  const { port, wait } = Object.fromEntries(new URLSearchParams(location.search))
  const client = connect({ url: 'ws://127.0.0.1:' + port + '/chat', reconnect: { min: Number(wait), max: Number(wait) } })
  const events = [], calls = []
  client.on('state', (state) => events.push(state))
  client.on('said', ({ text }) => events.push(text))
  addEventListener('pageshow', ({ persisted }) => persisted && events.push('restored'))
  const call = (name, data) => {
    const entry = { name, result: undefined }
    calls.push(entry)
    client.call(name, data).then(() => (entry.result = 'ok'), (error) => (entry.result = error.code))
  }
  Object.assign(window, { client, events, calls, call })
</script>`

jest.setTimeout(60_000)

describeInBrowser(`the client in a page${whySkipped}`, () => {
  let browser: Browser
  let script: string
  let server: ChatApp
  let network: Network
  let context: BrowserContext
  let page: Page
  let problems: string[]

  beforeAll(async () => {
    script = buildSync({
      entryPoints: [join(root, 'src', 'client.ts')],
      bundle: true,
      format: 'esm',
      write: false
    }).outputFiles[0]!.text
    // The back/forward cache is a part of what is tested.
    browser = await launchChromium({ without: ['--disable-back-forward-cache'] })
  })
  afterAll(() => browser.close())

  beforeEach(async () => {
    server = await startChat({
      setUp: (app) => {
        app.get('/', (_request, reply) => reply.type('text/html').send(PAGE))
        app.get('/other', (_request, reply) => reply.type('text/html').send('<title>other</title>'))
        app.get('/client.js', (_request, reply) => reply.type('text/javascript').send(script))
      }
    })
    network = await Network.start(server.port)
    context = await browser.newContext()
    page = await context.newPage()
    problems = []
    page.on('pageerror', (error) => problems.push(String(error)))
  })

  /** One connection, all calls settled, and messages come once. */
  afterEach(async () => {
    await run(`client.call('rename', { name: 'Ann' })`)
    await run(`client.send('say', { text: 'once' })`)
    await eventually(() => run(`events.includes('once')`))
    await eventually(() => server.count() === 1)
    const problem =
      problems[0] ?? (await run(`events.filter((event) => event === 'once').length > 1 && 'a message came twice'`))
    if (problem) throw new Error(problem)
    await eventually(() => run(`calls.every(({ result }) => result !== undefined)`))
    await context.close()
    await closeAll()
    await closeServers()
  })

  const run = <T>(code: string): Promise<T> => page.evaluate(code)
  const isIn = (state: string): Promise<void> => eventually(() => run<boolean>(`client.state === '${state}'`), state)
  const events = (): Promise<string[]> => run('events')

  /** Opens the page. Its clients wait for `wait` ms at most before they connect again. */
  async function visit(wait = 1e9): Promise<void> {
    await page.goto(server.http(`/?port=${new URL(network.url('/')).port}&wait=${wait}`))
    await isIn('open')
  }

  test('stays one connection over reloads and navigation', async () => {
    for (let round = 0; round < 3; round++) await visit()
    await page.reload()
    await isIn('open')
    await eventually(() => server.count() === 1)
  })

  test('comes back when the network does', async () => {
    await visit()
    await run(`call('wait')`)
    await context.setOffline(true)
    network.cut()
    await isIn('waiting')
    await run(`call('rename', { name: 'offline' })`)
    await context.setOffline(false)
    await isIn('open')
    expect(await events()).toEqual(['open', 'waiting', 'connecting', 'open'])
    expect(await run('calls.map(({ result }) => result)')).toEqual(['CONNECTION_LOST', 'OFFLINE'])
  })

  test('notices within seconds that the network is gone', async () => {
    await visit()
    network.freeze()
    await context.setOffline(true)
    await isIn('waiting')
    await context.setOffline(false)
    await isIn('open')
    network.cut()
    await isIn('waiting')
    await run(`document.dispatchEvent(new Event('visibilitychange'))`)
    await isIn('open')
  })

  test.each([
    ['a page that is shown', `dispatchEvent(new Event('pageshow'))`],
    ['a tab that becomes visible', `document.dispatchEvent(new Event('visibilitychange'))`],
    ['a page that goes on', `document.dispatchEvent(new Event('resume'))`],
    ['a network', `dispatchEvent(new Event('online'))`]
  ])('%s brings it back at once, and many of them bring one connection', async (_what, code) => {
    await visit()
    network.cut()
    await isIn('waiting')
    await run(`for (let i = 0; i < 100; i++) ${code}`)
    await isIn('open')
    expect(network.count).toBe(2)
    expect(await events()).toEqual(['open', 'waiting', 'connecting', 'open'])
  })

  test('an open connection survives those events', async () => {
    await visit()
    await run(`for (const event of ['online', 'offline', 'pageshow']) dispatchEvent(new Event(event))`)
    await run(`client.call('rename', { name: 'Ann' })`)
    expect([await events(), network.count]).toEqual([['open'], 1])
  })

  test('a page in the back/forward cache has no connection, and gets one when it is shown again', async () => {
    await visit()
    await run(`call('wait')`)
    await page.goto(server.http('/other'))
    await eventually(() => server.count() === 0)
    // A page from the cache loads nothing.
    await page.goBack({ waitUntil: 'commit' })
    await isIn('open')
    expect(await events()).toEqual(['open', 'waiting', 'connecting', 'restored', 'open'])
    expect(await run('calls.map(({ result }) => result)')).toEqual(['CONNECTION_LOST'])
  })

  test('a page that comes back, and only then hears that its connection is lost, does not wait', async () => {
    await visit()
    network.freeze()
    await run(`document.dispatchEvent(new Event('visibilitychange'))`)
    network.cut()
    await eventually(() => network.count === 2)
    await isIn('open')
  })

  test('an HTTP refusal is tried again', async () => {
    await visit(20)
    network.refuseWith = 503
    network.cut()
    await eventually(() => network.count > 5)
    network.refuseWith = undefined
    await isIn('open')
  })

  test('leaves nothing in the page after close()', async () => {
    await visit()
    await run('client.close()')
    await eventually(() => server.count() === 0)
    await run(`for (const event of ['online', 'pageshow', 'pagehide']) dispatchEvent(new Event(event))`)
    expect([await events(), network.count]).toEqual([['open', 'closed'], 1])
    await visit()
  })
})
