// npm run bench:dashboard -- [--clients 2000] [--seconds 610] [--pictures folder]
// Two nodes, clients that come and go, and the dashboard in Chromium. It fails if the page does not show what `app.wsStats()` says.
// With --pictures, it writes the pictures of the documentation into a folder.
import assert from 'node:assert/strict'
import cluster from 'node:cluster'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { chromium } from 'playwright-core'
import { connectWorkers } from '../dist/esm/cluster.js'
import { Crowd } from './dashboard/crowd.mjs'

const CHROMIUM = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-sync',
  '--no-first-run'
]
const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '2000' },
    seconds: { type: 'string', default: '610' },
    pictures: { type: 'string' }
  }
})

async function main() {
  const nodes = await startNodes(2)
  const ports = nodes.map(({ port }) => port)
  const crowd = new Crowd(ports)
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: CHROMIUM })
  try {
    await crowd.gather(Number(values.clients))
    await sleep(Number(values.seconds) * 1_000)
    const page = await openPage(browser, ports[0], { viewport: { width: 1440, height: 900 } })
    await takePictures(browser, page, ports[0])
    crowd.hold()
    await compare(page, ports)
  } finally {
    crowd.close()
    await browser.close()
    for (const { worker } of nodes) worker.process.kill('SIGKILL')
  }
}

async function startNodes(count) {
  cluster.setupPrimary({ exec: new URL('dashboard/node.mjs', import.meta.url).pathname, serialization: 'advanced' })
  connectWorkers()
  const starts = Array.from({ length: count }, async (_, i) => {
    const worker = cluster.fork({ NODE_PORT: String(8_101 + i) })
    for (;;) {
      const [message] = await once(worker, 'message')
      if (message.port !== undefined) return { worker, port: message.port }
    }
  })
  return Promise.all(starts)
}

async function openPage(browser, port, options) {
  const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'UTC', ...options })
  const page = await context.newPage()
  await page.goto(`http://127.0.0.1:${port}/realtime/`)
  await page.locator('#state[data-state=good]').waitFor()
  await page.locator('#nodes tr').nth(1).waitFor()
  return page
}

async function takePictures(browser, desktop, port) {
  if (values.pictures === undefined) return
  const phone = await openPage(browser, port, {
    viewport: { width: 390, height: 844 },
    colorScheme: 'dark',
    isMobile: true,
    hasTouch: true
  })
  await desktop.screenshot({ path: `${values.pictures}/dashboard-desktop.png` })
  await phone.screenshot({ path: `${values.pictures}/dashboard-phone.png` })
}

/** Once nobody comes or goes any more, the page must show the same numbers as the nodes. */
async function compare(page, ports) {
  await sleep(12_000)
  const stats = await Promise.all(ports.map(async (port) => (await fetch(`http://127.0.0.1:${port}/stats`)).json()))
  const sum = (key) => stats.reduce((total, node) => total + node.total[key], 0)
  for (const key of ['open', 'opened', 'messagesIn', 'slow']) {
    const shown = (await page.locator(`[data-total=${key}]`).innerText()).replaceAll(',', '')
    console.log(`${key}: the page shows ${shown}, app.wsStats() says ${sum(key)}`)
    assert.equal(Number(shown), sum(key), key)
  }
  const charted = await page.locator('[data-value=open]').innerText()
  assert.equal(Number(charted.replaceAll(',', '')), sum('open'), 'the chart of connections')
}

await main()
process.exit(0)
