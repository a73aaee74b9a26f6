import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Browser } from 'playwright-core'
import { describeInBrowser, launchChromium, whySkipped } from '../support/chromium.ts'
import { connect } from '../support/server.ts'
import { closeExamples, type Example, startFile } from './support/examples.ts'
import { fenceBelow, read } from './support/markdown.ts'
import { Project } from './support/project.ts'

// Follows the first steps of README.md in an empty directory, with npm and the packed tarball.
const README = read('README.md')
const codeBelow = (heading: string, lang: string): string => fenceBelow('README.md', heading, lang).code

const project = new Project()

/** Starts a file of the project. */
const start = (name: string, execArgv: string[] = []): Promise<Example> =>
  startFile(join(project.cwd, name), { cwd: project.cwd, execArgv })

async function expectEcho(example: Example): Promise<void> {
  const client = await connect(example.ws('/echo'))
  client.socket.send('hello')
  expect(await client.next()).toBe('hello')
  client.socket.terminate()
}

beforeAll(async () => {
  await project.pack()
  await project.sh(codeBelow('Install', 'sh'))
  project.write('server.mjs', codeBelow('Install', 'js'))
  project.write('server.cjs', codeBelow('CommonJS', 'js'))
  project.write('server.mts', codeBelow('Install', 'js'))
  project.write('tsconfig.json', codeBelow('TypeScript', 'json'))
}, 120_000)

afterEach(closeExamples)
afterAll(() => project.remove())

test('the files are named as in README.md', () => {
  for (const name of ['server.mjs', 'index.html', 'server.cjs', 'server.mts'])
    expect(README).toMatch(new RegExp(`[Ss]ave .*as \`${name}\``))
  for (const name of ['server.mjs', 'server.cjs']) expect(README).toContain(`\`node ${name}\``)
})

describeInBrowser(`in a browser${whySkipped}`, () => {
  let browser: Browser

  beforeAll(async () => {
    browser = await launchChromium()
  })
  afterAll(() => browser.close())

  test('the page talks to the server', async () => {
    const server = await start('server.mjs')
    const html = codeBelow('Install', 'html').replace('localhost:3000', `localhost:${server.port}`)
    const page = await browser.newPage()
    await page.goto(pathToFileURL(project.write('index.html', html)).href)
    await page.waitForFunction('socket.readyState === 1')
    await page.fill('input', 'hello')
    await page.press('input', 'Enter')
    await page.waitForFunction('document.querySelector("pre").textContent === "hello\\n"')
    await page.close()
  })
})

test.each(['server.mjs', 'server.cjs'])('node %s', async (name) => {
  await expectEcho(await start(name))
})

test('the first hint: the error of Node.js for a file with the wrong name', async () => {
  // The npm of newer versions of Node.js does this by itself.
  await project.sh('npm pkg set type=commonjs')
  project.write('server.js', codeBelow('Install', 'js'))
  const [, message = ''] = /^\| `([^`]+)` \|/m.exec(README) ?? []
  await expect(start('server.js')).rejects.toThrow(message)
})

describe('TypeScript', () => {
  const [install = '', ...commands] = codeBelow('TypeScript', 'sh').split('\n')

  beforeAll(async () => {
    await project.sh(install)
  }, 120_000)

  test('npx tsc', async () => {
    expect(commands.join('\n')).toMatch(/^npx tsc +#/m)
    expect(await project.sh('npx tsc')).toBe('')
  })

  test('npx tsx server.mts', async () => {
    expect(commands.join('\n')).toMatch(/^npx tsx server\.mts +#/m)
    await expectEcho(await start('server.mts', ['--import', 'tsx']))
  })

  const { typescript } = process.features as { typescript?: unknown }
  const testStripping = typescript ? test : test.skip
  testStripping(`node server.mts${typescript ? '' : ' (skipped: this Node.js does not run TypeScript)'}`, async () => {
    await expectEcho(await start('server.mts'))
  })
})

test('the example chat runs from the installed package', async () => {
  const [install = '', run = ''] = codeBelow('The example chat', 'sh').split('\n')
  await project.sh(install)
  const chat = await startFile(join(project.cwd, run.replace(/^node /, '')), { cwd: project.cwd })
  const page = await fetch(chat.http('/'))
  expect([page.status, page.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/html')])
  await connect(chat.ws('/ws')).then((client) => client.socket.terminate())
}, 120_000)
