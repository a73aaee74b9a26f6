import { createHash } from 'node:crypto'
import httpProxy from '@fastify/http-proxy'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import blazeWs from '../../src/index.ts'
import dashboard from '../../src/dashboard.ts'
import { readAssets } from '../../src/dashboard/assets.ts'
import { closeServers, startServer, type TestServer } from '../support/server.ts'
import { startNode } from './support/nodes.ts'

afterEach(closeServers)

/** All routes of the dashboard of an application, as `GET /path`. */
async function startWithRoutes(options: object): Promise<{ server: TestServer; routes: string[] }> {
  const routes: string[] = []
  const server = await startServer(async (app) => {
    app.addHook('onRoute', ({ method, url }) => {
      routes.push(...[method].flat().map((one) => `${one} ${url}`))
    })
    await app.register(dashboard, { prefix: '/realtime', ...options })
  })
  return { server, routes }
}

const warnings = ({ logs }: TestServer) => logs.filter(({ level, msg }) => level === 40 && msg.includes('dashboard'))

describe('the hooks of the application', () => {
  test.each(['onRequest', 'preHandler'])('%s guards every route: document, files, data and actions', async (name) => {
    const { server, routes } = await startWithRoutes({
      [name]: async (_request: FastifyRequest, reply: FastifyReply) => reply.code(401).send('who are you?')
    })
    // Fastify does not tell of this one.
    routes.push('GET /realtime/')
    const paths = ['/realtime', '/realtime/main.js', '/realtime/uplot.js', '/realtime/overview']
    for (const path of paths) expect(routes).toContain(`GET ${path}`)
    expect(routes).toContain('POST /realtime/disconnect')
    expect(routes.length).toBeGreaterThan(30)
    for (const route of routes) {
      const [method, url] = route.split(' ') as [string, string]
      const response = await fetch(server.http(url), {
        method,
        ...(method === 'POST' && { headers: { 'content-type': 'application/json' }, body: '{}' })
      })
      expect([route, response.status]).toEqual([route, 401])
      expect(response.headers.get('content-security-policy')).toContain("default-src 'self'")
    }
    expect(warnings(server)).toEqual([])
  })

  test('several are run in order', async () => {
    const run: string[] = []
    const hook = (name: string) => async () => {
      run.push(name)
    }
    const server = await startNode({ preHandler: hook('third'), onRequest: [hook('first'), hook('second')] })
    await fetch(server.http('/realtime/'))
    expect(run).toEqual(['first', 'second', 'third'])
  })

  test('without one there is one warning, and none if an empty list says that the page is guarded elsewhere', async () => {
    const open = await startNode()
    await fetch(open.http('/realtime/'))
    expect(warnings(open)).toHaveLength(1)
    expect(warnings(open)[0]?.msg).toContain('open to everybody')
    expect(warnings(await startNode({ onRequest: [] }))).toEqual([])
  })
})

describe('options', () => {
  const register = async (
    options: object,
    setUp = async (app: FastifyInstance): Promise<void> => {
      await app.register(blazeWs)
    }
  ) => {
    const app = Fastify() as unknown as FastifyInstance
    await setUp(app)
    try {
      await app.register(dashboard, options)
      await app.ready()
    } finally {
      await app.close()
    }
  }

  test('are checked', async () => {
    await expect(register({ preHandlers: () => {} })).rejects.toThrow(
      'Invalid option "dashboard.preHandlers": is unknown; allowed are onRequest, preHandler'
    )
    for (const preHandler of ['auth', [() => {}, 5], {}])
      await expect(register({ preHandler })).rejects.toMatchObject({
        code: 'FST_BLAZE_WS_INVALID_OPTION',
        message: expect.stringContaining('"dashboard.preHandler": must be a function or a list of functions')
      })
  })

  test('it needs the plugin', async () => {
    await expect(register({}, async () => {})).rejects.toThrow(
      "'fastify-blaze-ws' of plugin 'fastify-blaze-ws-dashboard'"
    )
  })

  test('it says which package is missing', () => {
    const resolve = (name: string): string => {
      throw new Error(`Cannot find module '${name}'`)
    }
    expect(() => readAssets(resolve)).toThrow(
      expect.objectContaining({
        code: 'FST_BLAZE_WS_MISSING_PACKAGE',
        message: 'the dashboard needs a package that is not installed: npm install uplot'
      })
    )
  })
})

describe('the page', () => {
  test.each(['/realtime', '/realtime/', '/a/deep/prefix'])('works under the prefix %s', async (prefix) => {
    const server = await startNode({ prefix, onRequest: [] })
    const base = server.http(prefix.endsWith('/') ? prefix : `${prefix}/`)
    const html = await (await fetch(base)).text()
    const urls = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url]) => String(url))
    expect(urls).toEqual(expect.arrayContaining(['main.js', 'dashboard.css', 'uplot.css', 'icon.svg']))
    for (const url of urls) expect((await fetch(new URL(url, base))).status).toBe(200)
    expect((await fetch(new URL('overview', base))).status).toBe(200)
  })

  test('without a slash at the end leads to the one with a slash, by a script that its policy allows', async () => {
    const server = await startNode({ onRequest: [] })
    const response = await fetch(server.http('/realtime?x=1'))
    const [, script = ''] = /<script>(.*?)<\/script>/.exec(await response.text()) ?? []
    const hash = createHash('sha256').update(script).digest('base64')
    expect(script).not.toBe('')
    expect(response.headers.get('content-security-policy')).toContain(`script-src 'sha256-${hash}'`)
  })

  test('works behind a proxy that gives it another path', async () => {
    const server = await startNode({ onRequest: [] })
    const proxy = await startServer(
      async (app) =>
        void app.register(httpProxy, { upstream: server.http(''), prefix: '/ops', rewritePrefix: '/realtime' })
    )
    const base = proxy.http('/ops/')
    for (const file of ['', 'main.js', 'uplot.css', 'overview']) expect((await fetch(base + file)).status).toBe(200)
  })

  test('changes nothing for the routes beside it', async () => {
    const server = await startServer(async (app) => {
      await app.register(dashboard, { prefix: '/realtime', onRequest: [] })
      app.post('/text', async ({ body }) => body)
    })
    const response = await fetch(server.http('/text'), { method: 'POST', body: 'plain' })
    expect([response.status, await response.text()]).toEqual([200, 'plain'])
    expect(response.headers.has('content-security-policy')).toBe(false)
  })

  test('is served without a prefix, too', async () => {
    const server = await startNode({ prefix: '', onRequest: [] })
    expect(await (await fetch(server.http('/'))).text()).toContain('<title>Realtime')
  })

  test('has a strict policy, no inline code, and is not loaded again if it has not changed', async () => {
    const server = await startNode({ onRequest: [] })
    const response = await fetch(server.http('/realtime/'))
    expect(response.headers.get('content-security-policy')).toBe(
      "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    expect(await response.text()).not.toMatch(/<script>|style=|\son\w+=|https?:/)
    const headers = { 'if-none-match': String(response.headers.get('etag')) }
    expect((await fetch(server.http('/realtime/'), { headers })).status).toBe(304)
    expect((await fetch(server.http('/realtime/overview'))).headers.get('cache-control')).toBe('no-store')
  })
})
