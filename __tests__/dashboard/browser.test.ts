import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import type { Overview } from '../../src/dashboard/overview.ts'
import { memoryBroker, type MemoryEngine, type RouteStats } from '../../src/index.ts'
import dashboard from '../../src/dashboard.ts'
import { describeInBrowser, launchChromium, whySkipped } from '../support/chromium.ts'
import { closeServers, connect, eventually, startServer, type TestClient, type TestServer } from '../support/server.ts'
import { addRoutes, join, startTwoNodes } from './support/nodes.ts'

const MARKUP = '<img src=x onerror="document.title=1">'

describeInBrowser(`the page of the dashboard${whySkipped}`, () => {
  let browser: Browser
  let one: TestServer
  let two: TestServer
  let engine: MemoryEngine
  const problems: string[] = []

  beforeAll(async () => {
    browser = await launchChromium()
    ;[one, two, engine] = await startTwoNodes()
    await churn()
  })

  afterAll(async () => {
    await browser.close()
    await closeServers()
  })

  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()))
    if (problems.length > 0) throw new Error(`the pages had problems: ${problems.splice(0).join(', ')}`)
  })

  /** Clients that come, talk and go, on both nodes. Some stay. */
  async function churn(): Promise<void> {
    const talk = async (node: TestServer, i: number): Promise<TestClient> => {
      const client = await join(node, i % 4 === 0 ? '/plain' : `/rooms/${encodeURIComponent(i % 3 ? 'tea' : MARKUP)}`)
      client.socket.send('again')
      await client.next()
      if (i % 2 === 0) return client
      client.socket.close(i % 5 === 0 ? 1001 : 1000)
      await client.close()
      return client
    }
    await Promise.all(Array.from({ length: 30 }, (_, i) => talk(i % 3 === 0 ? one : two, i)))
    await expect(connect(one.ws('/nowhere'))).rejects.toThrow('404')
    await eventually(() => sum(({ open }) => open) === 15)
  }

  /** A number of `app.wsStats()`, of both nodes together. */
  function sum(numberOf: (stats: RouteStats) => number, route?: string): number {
    const stats = [one, two].map(({ app }) => (route === undefined ? app.wsStats().total : app.wsStats().routes[route]))
    return stats.reduce((total, of) => total + numberOf(of as RouteStats), 0)
  }

  async function open(options: BrowserContextOptions = {}, prepare?: (page: Page) => Promise<void>): Promise<Page> {
    const context = await browser.newContext({
      viewport: { width: 1440, height: 900 },
      locale: 'en-GB',
      timezoneId: 'UTC',
      ...options
    })
    const page = await context.newPage()
    page.setDefaultTimeout(15_000)
    page.on('pageerror', (error) => problems.push(String(error)))
    page.on('console', (message) => {
      if (message.text().includes('Content Security Policy')) problems.push(message.text())
    })
    await prepare?.(page)
    await page.goto(one.http('/realtime'))
    await page.waitForURL('**/realtime/')
    await page.locator('#state[data-state=good]').waitFor()
    return page
  }

  /** Lets the page ask at once, as it does when it comes to the front. */
  const wake = (page: Page): Promise<void> =>
    page.evaluate("void document.dispatchEvent(new Event('visibilitychange'))")

  const value = (page: Page, name: string): Promise<string> => page.locator(`[data-value=${name}]`).innerText()
  const total = (page: Page, name: string): Promise<string> => page.locator(`[data-total=${name}]`).innerText()

  test('shows what app.wsStats() says, of all nodes, one node and one route', async () => {
    const page = await open()
    await eventually(async () => (await value(page, 'open')) === '15', 'the first sample of both nodes')
    expect(await value(page, 'delay')).toMatch(/^[\d.,]+ m?s$/)
    const { opened, messagesIn, messagesOut } = { opened: 30, messagesIn: 60, messagesOut: 60 }
    expect([sum((stats) => stats.opened), sum((stats) => stats.messagesIn)]).toEqual([opened, messagesIn])
    const shown = ['open', 'opened', 'messagesIn', 'messagesOut', 'refused'].map((name) => total(page, name))
    expect(await Promise.all(shown)).toEqual(['15', `${opened}`, `${messagesIn}`, `${messagesOut}`, '404: 1'])
    expect(await page.locator('figcaption').first().innerText()).toMatch(
      /^Connections, open: now 15; in ten minutes \d+ to 15\.$/
    )

    await page.locator('#route').selectOption('/plain')
    const plain = sum((stats) => stats.opened, '/plain')
    await eventually(async () => (await total(page, 'opened')) === String(plain), 'the numbers of a route')
    await page.locator('#route').selectOption('')
    await page.locator('#node').selectOption(two.app.wsHub.cluster.id)
    await eventually(
      async () => (await total(page, 'opened')) === String(two.app.wsStats().total.opened),
      'the numbers of a node'
    )
    expect(await page.locator('#nodes tr').count()).toBe(2)
  })

  test('shows names as the text that they are', async () => {
    const page = await open()
    await page.locator('#rooms').getByText(MARKUP).waitFor()
    expect(await page.locator('main img').count()).toBe(0)
    expect(await page.title()).toBe('Realtime')
  })

  test('finds and disconnects a client of another node with the keyboard alone', async () => {
    const client = await join(two, '/rooms/keyboard')
    const id = String(two.app.wsHub.getClients('keyboard')[0]?.id)
    const page = await open()
    await page.getByLabel('Id of a connection').focus()
    await page.keyboard.type('tea')
    await page.keyboard.press('Enter')
    await page.getByText('Not found: this is not the id of a connection.').waitFor()
    await page.keyboard.press('Control+A')
    await page.keyboard.type(id)
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog', { name: 'Connection' })
    await dialog.getByText('keyboard', { exact: true }).waitFor()
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    expect(client.closed).toBeUndefined()
    await dialog.getByRole('button', { name: 'Yes, disconnect it' }).waitFor()
    await page.keyboard.press('Enter')
    await dialog.getByText(`Disconnected on node ${two.app.wsHub.cluster.id}, with the code 1008.`).waitFor()
    expect(await client.close()).toEqual({ code: 1008, reason: 'disconnected' })
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'hidden' })
    const focused = page.locator(':focus')
    expect(await focused.getAttribute('id')).toBe('search-id')
  })

  test('says that a connection has ended while its details are shown', async () => {
    const client = await join(one, '/rooms/ends')
    const page = await open()
    await page.locator('#connections button').first().click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('ends', { exact: true }).waitFor()
    client.socket.close()
    await client.close()
    await wake(page)
    await dialog.getByText('The connection is closed.').waitFor()
    expect(await dialog.getByRole('button', { name: 'Disconnect' }).isHidden()).toBe(true)
  })

  test('follows the colours of the system, and fits on a phone', async () => {
    const page = await open({
      viewport: { width: 375, height: 812 },
      isMobile: true,
      hasTouch: true,
      colorScheme: 'light'
    })
    const drawn = (): Promise<string> =>
      page
        .locator('canvas')
        .first()
        .evaluate((canvas) => (canvas as unknown as { toDataURL(): string }).toDataURL())
    await page.locator('canvas').first().waitFor()
    const background = (): Promise<string> => page.evaluate('getComputedStyle(document.body).backgroundColor')
    const light = [await drawn(), await background()]
    await page.emulateMedia({ colorScheme: 'dark' })
    await eventually(async () => (await drawn()) !== light[0], 'the chart in other colours')
    expect(await background()).not.toBe(light[1])
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(375)
  })

  test('says so if the server is gone, keeps trying, and knows it again', async () => {
    const start = (port?: number): Promise<TestServer> =>
      startServer(
        async (app) => {
          addRoutes(app)
          await app.register(dashboard, { prefix: '/realtime', onRequest: [] })
        },
        { ...(port !== undefined && { port }), hub: { broker: memoryBroker({ engine }) } }
      )
    const third = await start()
    const page = await open()
    await page.goto(third.http('/realtime/'))
    await page.locator('#nodes').getByText('answers this page').waitFor()
    await third.app.close()
    await wake(page)
    await page.getByText(/The server does not answer\. Trying again… These are the numbers of/).waitFor()
    const again = await start(third.port)
    await wake(page)
    await page.locator('#state[data-state=good]').waitFor()
    await again.app.close()
  })

  test.each([
    ['that somebody has to sign in', { status: 401, json: {} }, 'The server asks who you are: reload the page.'],
    [
      'that somebody was signed out',
      { body: '<!doctype html>Sign in' },
      'The server asks who you are: reload the page.'
    ],
    [
      'that the server has trouble',
      { status: 500, json: {} },
      'The server has trouble: the server answers 500. Trying again…'
    ]
  ])('says %s, and goes on afterwards', async (_, answer, text) => {
    const page = await open()
    await page.route('**/overview?*', (route) => route.fulfill(answer))
    await wake(page)
    await page.getByText(text).waitFor()
    await page.unroute('**/overview?*')
    await wake(page)
    await page.locator('#state[data-state=good]').waitFor()
  })

  test('says that there is nothing, and which nodes do not answer', async () => {
    const page = await open({}, async (page) => {
      // What a cluster answers in which one node is silent, and nobody is connected.
      await page.route('**/overview?*', async (route) => {
        const overview = (await (await route.fetch()).json()) as Overview
        const silent = { id: 'a-silent-node', state: 'silent' as const }
        const nodes = requests++ === 0 ? overview.nodes : [...overview.nodes, silent]
        await route.fulfill({ json: { ...overview, rooms: [], roomCount: 0, nodes, nodeCount: nodes.length } })
      })
      await page.route('**/connections?*', (route) => route.fulfill({ json: { connections: [], missing: [] } }))
    })
    await page.getByText('No connections.').waitFor()
    await page.getByText('No room has members.').waitFor()
    await wake(page)
    await page.getByText('1 node is missing in these numbers').waitFor()
    await page.getByRole('row', { name: 'a-silent-node does not answer' }).waitFor()
  })
  let requests = 0
})
