// Packs the package, installs the tarball in an empty project, and uses it there as its users do: imported, required, and
// type-checked from ESM and from CommonJS. The links of its pages must lead to files that are in the tarball. The bundle of a page
// with the client must stay small.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { buildSync } from 'esbuild'
import { checkDeclarations } from './check-declarations.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const work = mkdtempSync(join(tmpdir(), 'fastify-blaze-ws-'))
const run = (command, args, cwd = work) =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })

const USE = `
const app = Fastify()
await app.register(blazeWs)
app.webSocket('/ws', async (ws) => {
  for await (const { type, data } of ws) await ws.writeMessage(type, data)
})
await app.ready()
const client = await app.injectWS('/ws')
const echo = new Promise((resolve) => client.once('message', (data) => resolve(data.toString())))
client.send('hello')
if ((await echo) !== 'hello') throw new Error('no echo')
client.terminate()
await app.close()
`

// The clients of the engines are not there: who has one entry's needs no other's, and the core none.
const ENTRIES = [
  'fastify-blaze-ws/contract',
  'fastify-blaze-ws/client',
  'fastify-blaze-ws/tickets',
  'fastify-blaze-ws/redis',
  'fastify-blaze-ws/nats',
  'fastify-blaze-ws/cluster',
  'fastify-blaze-ws/prometheus',
  'fastify-blaze-ws/otel',
  'fastify-blaze-ws/dashboard',
  'fastify-blaze-ws/testing'
]

// The page of the dashboard and what it needs are found in both formats.
const DASHBOARD = `
const app = Fastify()
await app.register(blazeWs)
await app.register(dashboard, { prefix: '/realtime', onRequest: [] })
for (const name of ['', 'main.js', 'uplot.js']) {
  const { statusCode } = await app.inject('/realtime/' + name)
  if (statusCode !== 200) throw new Error('no ' + name)
}
await app.close()
`

// A page's client comes from a bundler for browsers, which finds no module of Node there.
const PAGE = `
import { connect } from 'fastify-blaze-ws/client'
connect({ url: 'wss://example.com/chat' }).on('state', console.log)
`
const MAX_CLIENT_BYTES = 6 * 1024

// The process must end by itself once the client is closed.
const CLIENT = `
const contract = defineContract({ name: 'echo', calls: { echo: { input: {}, output: {} } } })
const app = Fastify()
await app.register(blazeWs)
app.webSocketWithContract('/ws', contract, { calls: { echo: (data) => data } })
await app.listen({ port: 0, host: '127.0.0.1' })
const client = connect(contract, { url: \`ws://127.0.0.1:\${app.server.address().port}/ws\`, WebSocket })
await client.ready()
if ((await client.call('echo', { a: 1 })).a !== 1) throw new Error('no echo')
client.close()
await app.close()
`

const TYPED = `
const app = Fastify()
app.register(blazeWs, { config: { pingInterval: 10_000 } })
app.after(() => {
  app.webSocket('/ws', async (ws, request) => {
    const message: WebSocketMessage = await ws.readMessage()
    await ws.writeMessage(message.type, message.data)
    request.log.info(ws.remoteAddr())
    // @ts-expect-error a client of Redis is none of NATS
    natsBroker({ client: redisBroker({ client: { duplicate() {} } }) })
    brokerConformance({ create: () => redisBroker({ client: { duplicate() {} }, prefix: 'x:' }) })
    // @ts-expect-error a text is a string
    await ws.writeText(5)
    // @ts-expect-error internals are not part of the types
    ws.channel
  })
  const chat = defineContract({ name: 'chat', fromServer: { bye: null } })
  connect<typeof chat>({ url: 'wss://example.com' }).on('bye', (data: undefined, { room }) => room?.length)
  // @ts-expect-error an event that the contract does not have
  connect(chat, { url: 'wss://example.com' }).on('hello', () => {})
  const sent: number = app.wsHub.broadcast('hello', { to: 'room' })
  return sent
})
`

/** Where the links and images of a page lead, those to other sites left out. */
function linksOf(page) {
  const text = readFileSync(page, 'utf8').replaceAll(/^```[\s\S]*?^```/gm, '')
  const links = [...text.matchAll(/\]\(([^)\s]+)[^)]*\)|\b(?:src|href)="([^"]+)"/g)].map(
    ([, markdown, html]) => markdown ?? html
  )
  return links.filter((link) => !/^[a-z]+:/.test(link)).map((link) => link.split('#')[0])
}

/** The links of the Markdown files in a folder that lead to nothing in it. */
function brokenLinks(folder) {
  const pages = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.md') && !name.includes('node_modules')
  )
  return pages.flatMap((name) => {
    const page = join(folder, name)
    const isThere = (path) => !relative(folder, path).startsWith('..') && existsSync(path)
    return linksOf(page)
      .filter((link) => link !== '' && !isThere(join(dirname(page), link)))
      .map((link) => `${name}: ${link}`)
  })
}

/** The size of a page's script, bundled from the tarball, minified and compressed. */
function bundleBytes(contents) {
  const { outputFiles } = buildSync({
    stdin: { contents, resolveDir: work },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    write: false
  })
  return gzipSync(outputFiles[0].contents).length
}

try {
  const [{ filename }] = JSON.parse(
    run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', work], root)
  )
  writeFileSync(join(work, 'package.json'), JSON.stringify({ name: 'user', private: true }))
  run('npm', [
    'install',
    '--silent',
    '--no-audit',
    '--no-fund',
    '--omit=peer',
    '--legacy-peer-deps',
    join(work, filename)
  ])
  const broken = brokenLinks(join(work, 'node_modules', 'fastify-blaze-ws'))
  if (broken.length > 0) throw new Error(`not in the tarball:\n${broken.join('\n')}`)

  // Fastify and the types come from this repository: what is tested is the tarball.
  symlinkSync(join(root, 'node_modules', 'fastify'), join(work, 'node_modules', 'fastify'))
  // Who has the entry for OpenTelemetry has its API.
  symlinkSync(join(root, 'node_modules', '@opentelemetry'), join(work, 'node_modules', '@opentelemetry'))

  writeFileSync(
    join(work, 'use.mjs'),
    `import Fastify from 'fastify'\nimport blazeWs, { CloseCode } from 'fastify-blaze-ws'\n${USE}\nconsole.log('import', CloseCode.GoingAway)`
  )
  writeFileSync(
    join(work, 'use.cjs'),
    `const Fastify = require('fastify')\nconst blazeWs = require('fastify-blaze-ws')\nconst { CloseCode } = blazeWs\n;(async () => {${USE}\nconsole.log('require', CloseCode.GoingAway)\n})()`
  )
  const imports =
    "import Fastify from 'fastify'\nimport { connect } from 'fastify-blaze-ws/client'\nimport { defineContract } from 'fastify-blaze-ws/contract'\nimport blazeWs, { type WebSocketMessage } from 'fastify-blaze-ws'\nimport { redisBroker } from 'fastify-blaze-ws/redis'\nimport { natsBroker } from 'fastify-blaze-ws/nats'\nimport { brokerConformance } from 'fastify-blaze-ws/testing'\n"
  writeFileSync(
    join(work, 'entries.mjs'),
    `await Promise.all(${JSON.stringify(ENTRIES)}.map((entry) => import(entry)))\nconsole.log('import', 'entries')`
  )
  writeFileSync(
    join(work, 'entries.cjs'),
    `for (const entry of ${JSON.stringify(ENTRIES)}) require(entry)\nconsole.log('require', 'entries')`
  )
  writeFileSync(
    join(work, 'client.mjs'),
    `import Fastify from 'fastify'\nimport blazeWs from 'fastify-blaze-ws'\nimport { connect } from 'fastify-blaze-ws/client'\nimport { defineContract } from 'fastify-blaze-ws/contract'\nimport { WebSocket } from 'ws'\n${CLIENT}\nconsole.log('import', 'client')`
  )
  writeFileSync(
    join(work, 'client.cjs'),
    `const Fastify = require('fastify')\nconst blazeWs = require('fastify-blaze-ws')\nconst { connect } = require('fastify-blaze-ws/client')\nconst { defineContract } = require('fastify-blaze-ws/contract')\nconst { WebSocket } = require('ws')\n;(async () => {${CLIENT}\nconsole.log('require', 'client')\n})()`
  )
  writeFileSync(
    join(work, 'dashboard.mjs'),
    `import Fastify from 'fastify'\nimport blazeWs from 'fastify-blaze-ws'\nimport dashboard from 'fastify-blaze-ws/dashboard'\n${DASHBOARD}\nconsole.log('import', 'dashboard')`
  )
  writeFileSync(
    join(work, 'dashboard.cjs'),
    `const Fastify = require('fastify')\nconst blazeWs = require('fastify-blaze-ws')\nconst { default: dashboard } = require('fastify-blaze-ws/dashboard')\n;(async () => {${DASHBOARD}\nconsole.log('require', 'dashboard')\n})()`
  )
  writeFileSync(join(work, 'typed.mts'), imports + TYPED)
  writeFileSync(join(work, 'typed.cts'), imports + TYPED)
  const compilerOptions = {
    module: 'nodenext',
    target: 'es2022',
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    types: ['node']
  }
  for (const file of ['use.mjs', 'use.cjs', 'entries.mjs', 'entries.cjs', 'client.mjs', 'client.cjs'])
    process.stdout.write(run(process.execPath, [file]))
  // The optional peer comes only now: nothing above needs it.
  symlinkSync(join(root, 'node_modules', 'uplot'), join(work, 'node_modules', 'uplot'))
  for (const file of ['dashboard.mjs', 'dashboard.cjs']) process.stdout.write(run(process.execPath, [file]))
  for (const file of ['typed.mts', 'typed.cts']) {
    writeFileSync(join(work, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [file] }))
    process.stdout.write(run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', '.']))
  }
  checkDeclarations(root, work)
  const clientBytes = bundleBytes(PAGE)
  if (clientBytes > MAX_CLIENT_BYTES)
    throw new Error(`a page with the client needs ${clientBytes} bytes, more than ${MAX_CLIENT_BYTES}`)
  process.stdout.write(`a page with the client needs ${clientBytes} bytes\n`)
  process.stdout.write(
    'the packed tarball works: imported, required and type-checked, and its links lead to its files\n'
  )
} finally {
  rmSync(work, { recursive: true, force: true })
}
