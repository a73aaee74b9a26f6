import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { get } from 'node:https'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { ClientOptions } from 'ws'
import { describeWith, freePort } from '../cluster/support/engines.ts'
import { ensureDist } from '../support/dist.ts'
import { dropRawClients, RawClient } from '../support/raw-client.ts'
import { connect, eventually, type TestClient } from '../support/server.ts'
import { cert, key } from '../support/tls.ts'
import { Daemon, endDaemons, findProgram } from './support/daemon.ts'
import { fenceBelow, read, ROOT } from './support/markdown.ts'

const run = promisify(execFile)

const FOLDER = join(ROOT, 'node_modules', '.cache', `docs-deployment-${process.pid}`)
const codeBelow = (heading: string, lang: string): string => fenceBelow('docs/deployment.md', heading, lang).code
const SERVER = codeBelow('Deployment', 'js')

/** Writes a file and returns its path. */
function write(name: string, text: string): string {
  const path = join(FOLDER, name)
  writeFileSync(path, text)
  return path
}

/** Replaces parts of a text; each of them must be there. */
function replaced(text: string, changes: Record<string, string>): string {
  return Object.entries(changes).reduce((result, [from, to]) => {
    if (!result.includes(from)) throw new Error(`the example has no "${from}" any more`)
    return result.replaceAll(from, to)
  }, text)
}

beforeAll(() => {
  ensureDist()
  mkdirSync(FOLDER, { recursive: true })
  symlinkSync(join(ROOT, 'dist'), join(FOLDER, 'dist'))
  write(
    'package.json',
    JSON.stringify({ name: 'fastify-blaze-ws', type: 'module', exports: { '.': './dist/esm/index.js' } })
  )
  // The order of closing is tested elsewhere: nobody should wait for it here.
  write('server.mjs', replaced(SERVER, { 'spread: 20_000': 'spread: 200' }))
  write('cluster.mjs', codeBelow('Several cores', 'js'))
  write('tls.mjs', codeBelow('TLS', 'js'))
  write('fullchain.pem', cert)
  write('privkey.pem', key)
  write('both.pem', cert + key)
})
afterEach(async () => {
  dropRawClients()
  await endDaemons()
})
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }))

/** A group of tests that needs a program; the tests get its path. */
function describeWithProgram(program: string, tests: (path: string) => void): void {
  const path = findProgram(program)
  describeWith({ isThere: path !== undefined, hint: `${program} is not installed` }, program, () =>
    tests(path ?? program)
  )
}

interface Node {
  daemon: Daemon
  port: number
}

/** Starts a server from the page on a port that the system chooses. */
async function startNode(file = 'server.mjs', env: Record<string, string> = {}): Promise<Node> {
  const daemon = new Daemon(process.execPath, [file], { cwd: FOLDER, env: { PORT: '0', ...env } })
  const [, port] = await daemon.wrote(/listening at \S+:(\d+)"/)
  return { daemon, port: Number(port) }
}

/** Starts the server on a unix socket. */
async function startOnSocket(path: string): Promise<Daemon> {
  const [, trust = ''] = /`(trustProxy: \(address.*)`/.exec(read('docs/deployment.md')) ?? []
  write('socket.mjs', replaced(SERVER, { 'trustProxy: PROXY': trust }))
  const daemon = new Daemon(process.execPath, ['socket.mjs'], { cwd: FOLDER, env: { SOCKET: path } })
  await daemon.wrote(/listening at/)
  return daemon
}

const statusOf = (port: number): Promise<unknown> =>
  fetch(`http://127.0.0.1:${port}/health/ready`).then(
    ({ status }) => status,
    (error: Error) => (error.cause as NodeJS.ErrnoException).code
  )

/** A client that does not answer the close frame, so that the server is closing for a while. */
async function connectStubborn(port: number): Promise<RawClient> {
  const client = new RawClient(port)
  client.handshake('/echo')
  expect((await client.head()).status).toBe(101)
  return client
}

async function expectEcho(client: TestClient): Promise<void> {
  client.socket.send('hello')
  expect(await client.next()).toBe('hello')
}

describe('Probes', () => {
  test('readiness answers 200 while the server runs, 503 while it closes and nothing afterwards; a second signal is harmless', async () => {
    const { daemon, port } = await startNode()
    expect(await statusOf(port)).toBe(200)
    const health: unknown = await fetch(`http://127.0.0.1:${port}/health/live`).then((response) => response.json())
    expect(health).toMatchObject({ isReady: true, isDegraded: false, connections: 0 })
    const stubborn = await connectStubborn(port)
    daemon.kill('SIGTERM')
    await eventually(async () => (await statusOf(port)) === 503)
    daemon.kill('SIGTERM')
    await expect(connect(`ws://127.0.0.1:${port}/echo`)).rejects.toThrow('503')
    expect(await statusOf(port)).toBe(503)
    stubborn.reset()
    expect(await daemon.ended()).toBe(0)
    expect(await statusOf(port)).toBe('ECONNREFUSED')
  })

  test('Kubernetes, systemd and Docker wait longer for the server than its shutdown may take', () => {
    const seconds = (text: string, pattern: RegExp): number => Number(pattern.exec(text)?.[1]?.replace('_', ''))
    const timeout = seconds(SERVER, /timeout: ([\d_]+)/) / 1000
    const pod = codeBelow('Probes', 'yaml')
    const preStop = seconds(pod, /'sleep', '(\d+)'/)
    expect(seconds(pod, /terminationGracePeriodSeconds: (\d+)/)).toBeGreaterThan(preStop + timeout)
    expect(seconds(codeBelow('systemd', 'ini'), /TimeoutStopSec=(\d+)/)).toBeGreaterThan(timeout)
    expect(seconds(codeBelow('Docker', 'sh'), /--stop-timeout (\d+)/)).toBeGreaterThan(timeout)
    expect(seconds(codeBelow('PM2', 'js'), /kill_timeout: ([\d_]+)/) / 1000).toBeGreaterThan(timeout)
  })
})

interface Proxy {
  program: string
  /** The configuration on the page, with this port, these servers (in the syntax of the program) and this timeout. */
  config: (port: number, servers: string[], timeout: string) => string
  check: (file: string) => string[]
  run: (file: string) => string[]
  ofSocket: (path: string) => string
}

const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  .map((name) => `${name}_temp_path ${FOLDER}/temp;`)
  .join('\n')

const nginx: Proxy = {
  program: 'nginx',
  config: (port, [one = '', two = ''], timeout) => {
    const snippet = replaced(codeBelow('nginx', 'nginx'), {
      'listen 443': `listen 127.0.0.1:${port}`,
      '/etc/ssl/chat': FOLDER,
      '127.0.0.1:3001': one,
      '127.0.0.1:3002': two,
      '75s': timeout
    })
    const user = process.getuid?.() === 0 ? 'user root;' : ''
    return `${user} daemon off; pid ${FOLDER}/nginx-${port}.pid; error_log stderr;\nevents {}\nhttp {\naccess_log off;\n${paths}\n${snippet}\n}\n`
  },
  check: (file) => ['-e', 'stderr', '-p', FOLDER, '-t', '-c', file],
  run: (file) => ['-e', 'stderr', '-p', FOLDER, '-c', file],
  ofSocket: (path) => `unix:${path}`
}

const haproxy: Proxy = {
  program: 'haproxy',
  config: (port, [one = '', two = ''], timeout) =>
    `${replaced(codeBelow('HAProxy', 'haproxy'), {
      'bind :443': `bind 127.0.0.1:${port}`,
      '/etc/haproxy/chat.pem': `${FOLDER}/both.pem`,
      '127.0.0.1:3001': one,
      '127.0.0.1:3002': two,
      '75s': timeout
    })}\n`,
  check: (file) => ['-c', '-f', file],
  run: (file) => ['-db', '-f', file],
  ofSocket: (path) => `unix@${path}`
}

for (const proxy of [nginx, haproxy]) {
  describeWithProgram(proxy.program, (program) => {
    /** Starts the proxy in front of servers and returns its port. */
    async function startProxy(servers: string[], timeout = '75s'): Promise<number> {
      const port = await freePort()
      const file = write(`${proxy.program}-${port}.conf`, proxy.config(port, servers, timeout))
      await run(program, proxy.check(file))
      const daemon = new Daemon(program, proxy.run(file))
      await eventually(() => isListening(port), `${proxy.program} listening: ${daemon.output}`)
      return port
    }

    const isListening = (port: number): Promise<boolean> =>
      fetch(`http://127.0.0.1:${port}/`).then(
        () => true,
        (error: Error) => (error.cause as NodeJS.ErrnoException).code !== 'ECONNREFUSED'
      )

    /** Connects like a page from the proxy's own origin, from an address of its own. */
    const open = (port: number, options: ClientOptions = {}): Promise<TestClient> =>
      connect(`wss://127.0.0.1:${port}/echo`, [], {
        origin: `https://127.0.0.1:${port}`,
        ca: cert,
        localAddress: '127.0.0.2',
        ...options
      })

    /** Whether the proxy answers by itself, because it has noticed that no node takes requests. */
    const answersItself = (port: number): Promise<boolean> =>
      new Promise((resolve, reject) => {
        get({ port, host: '127.0.0.1', path: '/health/ready', ca: cert }, ({ headers, statusCode = 0 }) =>
          resolve(statusCode >= 502 && headers['content-type']?.startsWith('text/html') === true)
        ).on('error', reject)
      })

    const addresses = (nodes: Node[]): string[] => nodes.map(({ port }) => `127.0.0.1:${port}`)

    /** Expects the servers to have logged the client's real address, and not the forged one. */
    function expectClient(servers: Daemon[]): void {
      const output = servers.map(({ output }) => output).join('')
      expect(output).toContain('"remoteAddress":"127.0.0.2"')
      expect(output).not.toContain('"remoteAddress":"6.6.6.6"')
    }

    test('passes upgrades on with the address of the client', async () => {
      const nodes = [await startNode(), await startNode()]
      const port = await startProxy(addresses(nodes))
      await expectEcho(await open(port, { headers: { 'x-forwarded-for': '6.6.6.6' } }))
      await expectEcho(await open(port))
      await expect(open(port, { origin: 'https://example.org' })).rejects.toThrow('403')
      expectClient(nodes.map(({ daemon }) => daemon))
    })

    test('no client is refused while one of two nodes closes', async () => {
      const nodes = [await startNode(), await startNode()] as const
      const port = await startProxy(addresses([...nodes]))
      const stubborn = await connectStubborn(nodes[0].port)
      nodes[0].daemon.kill('SIGTERM')
      await eventually(async () => (await statusOf(nodes[0].port)) === 503)
      for (let i = 0; i < 6; i++) await expectEcho(await open(port))
      expect(await statusOf(nodes[0].port)).toBe(503)
      stubborn.reset()
      expect(await nodes[0].daemon.ended()).toBe(0)
      for (let i = 0; i < 6; i++) await expectEcho(await open(port))
    })

    test('open connections go on until their turn after the proxy has noticed that their node closes', async () => {
      write('spread.mjs', SERVER)
      const node = await startNode('spread.mjs')
      const port = await startProxy(addresses([node, node]))
      const [first, second] = [await open(port), await open(port)]
      node.daemon.kill('SIGTERM')
      expect(await first.close()).toEqual({ code: 1001, reason: 'restarting' })
      await eventually(() => answersItself(port))
      await expectEcho(second)
      second.socket.close()
      expect(await node.daemon.ended()).toBe(0)
    })

    test('pings keep a quiet connection open; without them, the timeout of the proxy ends it', async () => {
      for (const interval of [200, 0]) {
        write(`pings-${interval}.mjs`, replaced(SERVER, { 'config: {': `config: { pingInterval: ${interval},` }))
      }
      const [lively, silent] = [await startNode('pings-200.mjs'), await startNode('pings-0.mjs')]
      const kept = await open(await startProxy(addresses([lively, lively]), '1s'))
      const cut = await open(await startProxy(addresses([silent, silent]), '1s'))
      expect((await cut.close()).code).toBe(1006)
      for (let i = 0; i < 5; i++) await once(kept.socket, 'ping')
      await expectEcho(kept)
    })

    test('connects to unix sockets', async () => {
      const sockets = [1, 2].map((i) => join(FOLDER, `${i}.sock`))
      const nodes = await Promise.all(sockets.map(startOnSocket))
      const port = await startProxy(sockets.map(proxy.ofSocket))
      for (let i = 0; i < 2; i++) await expectEcho(await open(port, { headers: { 'x-forwarded-for': '6.6.6.6' } }))
      expectClient(nodes)
      await endDaemons()
      expect(sockets.filter(existsSync)).toEqual([])
    })
  })
}

describe('Several cores', () => {
  test('workers share a port, are replaced after a crash, and end without an error', async () => {
    const { daemon, port } = await startNode('cluster.mjs', { PORT: String(await freePort()) })
    const pids = (): Set<number> =>
      new Set([...daemon.output.matchAll(/"pid":(\d+).*listening at/g)].map(([, pid]) => Number(pid)))
    // Waits for all workers: a late one must not be mistaken for a replacement.
    await eventually(() => pids().size === availableParallelism())
    const clients = [await connect(`ws://127.0.0.1:${port}/echo`)]
    await expectEcho(clients[0] as TestClient)

    const before = pids()
    process.kill([...before][0] as number, 'SIGKILL')
    await eventually(() => [...pids()].some((pid) => !before.has(pid)))
    const client = await connect(`ws://127.0.0.1:${port}/echo`)
    await expectEcho(client)
    daemon.kill('SIGTERM')
    expect(await client.close()).toEqual({ code: 1001, reason: 'restarting' })
    expect(await daemon.ended()).toBe(0)
  })
})

describeWithProgram('systemd-analyze', (program) => {
  test('the unit is valid', async () => {
    const unit = replaced(codeBelow('systemd', 'ini'), { '/usr/bin/node': process.execPath })
    const { stdout, stderr } = await run(program, [
      'verify',
      '--man=no',
      '--recursive-errors=no',
      write('chat@3001.service', `${unit}\n`)
    ])
    expect(`${stdout}${stderr}`).not.toContain('chat@')
  })
})

describe('Docker', () => {
  const dockerfile = codeBelow('Docker', 'dockerfile')
  const command = (pattern: RegExp): string[] => JSON.parse(String(pattern.exec(dockerfile)?.[1])) as string[]

  test('the health check tells whether the server runs', async () => {
    const [, ...args] = command(/^HEALTHCHECK .*CMD (\[.*\])$/m)
    const { daemon, port } = await startNode()
    const check = (): Promise<unknown> =>
      run(
        process.execPath,
        args.map((arg) => arg.replace(':3000/', `:${port}/`))
      )
    await check()
    const stubborn = await connectStubborn(port)
    daemon.kill('SIGTERM')
    await eventually(async () => (await statusOf(port)) === 503)
    await expect(check()).rejects.toMatchObject({ code: 1 })
    stubborn.reset()
    await daemon.ended()
    await expect(check()).rejects.toMatchObject({ code: 1 })
  })

  test('the command starts the server', () => {
    expect(command(/^CMD (\[.*\])$/m)).toEqual(['node', 'server.mjs'])
  })
})

test('File descriptors: Node.js raises its soft limit to the hard limit', async () => {
  const print = 'console.log(process.report.getReport().userLimits.open_files)'
  const { stdout } = await run('sh', [
    '-c',
    `ulimit -Hn 2000; ulimit -Sn 200; exec "${process.execPath}" -e "${print}"`
  ])
  expect(stdout).toContain('soft: 2000')
})

test('TLS without a proxy', async () => {
  write(
    'tls.mjs',
    replaced(codeBelow('TLS', 'js'), { "'0.0.0.0'": "'127.0.0.1'", 'Fastify({': 'Fastify({ logger: true,' })
  )
  const { port } = await startNode('tls.mjs')
  await expectEcho(await connect(`wss://127.0.0.1:${port}/echo`, [], { ca: cert }))
})
