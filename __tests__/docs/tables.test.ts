import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import Fastify from 'fastify'
import * as api from 'fastify-blaze-ws'
import { prometheus } from 'fastify-blaze-ws/prometheus'
import promClient from 'prom-client'
import { codeOf, PAGES, read, ROOT, tableBelow } from './support/markdown.ts'

/** The names that a file exports, types included, from `export { … }` lists and `export default`. */
function exportsOf(file: string): string[] {
  const source = readFileSync(join(ROOT, file), 'utf8').replaceAll(/\/\/.*$/gm, '')
  const lists = [...source.matchAll(/export (?:type )?\{([^}]*)\}/g)].flatMap(([, list = '']) => list.split(','))
  return lists.map((name) => name.trim().replace(/^type /, '')).filter((name) => name !== '')
}

/** The headings of a page, as GitHub spells them in links. */
function anchorsOf(page: string): string[] {
  const headings = [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => String(heading))
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-')
  )
}

test('the table of docs/api.md lists every export and nothing else', () => {
  const names = exportsOf('src/index.ts')
  expect(names).toEqual(expect.arrayContaining(Object.keys(api).filter((name) => name !== '__esModule')))
  // Not exported by name, so that it can be augmented by declaration merging.
  names.push('WebSocketLocals')
  const documented = tableBelow('docs/api.md', 'API at a glance').flatMap(([cell]) => codeOf(cell).split(', '))
  expect(documented.toSorted()).toEqual(names.toSorted())
})

test('docs/api.md has every export of the entry for contracts', () => {
  const page = read('docs/api.md')
  const names = exportsOf('src/contract.ts')
  expect(names).toContain('defineContract')
  for (const name of names) expect(page).toContain(`\`${name}\``)
})

test('every export is also explained on another page', () => {
  const others = PAGES.filter((page) => page !== 'docs/api.md')
    .map(read)
    .join('\n')
  const types = [
    'BlazeWsOptions',
    'WebSocketHandler',
    'WebSocketRouteOptions',
    'ShutdownOptions',
    'WebSocketConfig',
    'FastifyError'
  ]
  const shapes = ['WebSocketMessage', 'WebSocketContext', 'CloseInfo', 'MessageType', 'SlowConsumerPolicy']
  const around = [
    'AskErrorCode',
    'AskOptions',
    'CallContext',
    'CallHandler',
    'HubLogger',
    'BroadcastOptions',
    'DisconnectOptions',
    'DisconnectTarget',
    'LimitedConnection',
    'RateLimit',
    'RoomTarget',
    'HubOptions',
    'HubStats',
    'HubEvents'
  ]
  // Types that an application never has to name.
  const unnamed = new Set(['default', ...types, ...shapes, ...around])
  for (const name of exportsOf('src/index.ts').filter((name) => !unnamed.has(name))) expect(others).toContain(name)
})

test('the table of docs/configuration.md has the keys and the defaults', () => {
  const rows = tableBelow('docs/configuration.md', 'Options')
  const documented = Object.fromEntries(rows.map(([key, value]) => [codeOf(key), codeOf(value)]))
  const defaults = Object.entries(api.defaultWebSocketConfig()).map(([key, value]) => {
    if (typeof value === 'function') return [key, 'allows all origins']
    return [key, JSON.stringify(value).replaceAll('"', "'")]
  })
  expect(documented).toEqual(Object.fromEntries(defaults))
})

test('the table of docs/errors.md has the codes, statuses and classes of the errors', () => {
  const classes = [TypeError, RangeError, SyntaxError, Error]
  const expected = Object.values(api.errors).map((constructor) => {
    const error = new constructor('', '')
    return [error.code, String(error.statusCode), classes.find((one) => error instanceof one)?.name]
  })
  expect(tableBelow('docs/errors.md', 'Errors').map((row) => row.slice(0, 3).map(codeOf))).toEqual(expected)
})

test('the close codes of docs/errors.md have the right names', () => {
  const page = read('docs/errors.md')
  const rows = [...page.matchAll(/^\| (\d{4}) +\| `(\w+)` +\|/gm)]
  expect(rows.length).toBeGreaterThanOrEqual(10)
  for (const [, code, name] of rows) expect(api.CloseCode).toHaveProperty(String(name), Number(code))
  for (const name of Object.keys(api.CloseCode)) expect(page).toContain(`\`${name}\``)
})

test('links between the pages and to headings are not broken', () => {
  const broken: string[] = []
  for (const page of [...PAGES, 'CHANGELOG.md']) {
    for (const [, link = ''] of read(page).matchAll(/(?:\]\(|src=")([^)"]+)[)"]/g)) {
      if (/^https?:/.test(link)) continue
      const [path = '', hash] = link.split('#')
      const target = path === '' ? page : join(page, '..', path)
      const exists = existsSync(join(ROOT, target))
      if (!exists || (hash !== undefined && !anchorsOf(target).includes(hash))) broken.push(`${page}: ${link}`)
    }
  }
  expect(broken).toEqual([])
})

test('docs/observability.md names every metric for Prometheus', async () => {
  const registry = new promClient.Registry()
  const app = Fastify()
  await app.register(api.default)
  await app.register(prometheus, { client: promClient, registry })
  const names = registry.getMetricsAsArray().map(({ name }) => name.replace('fastify_blaze_ws_', ''))
  await app.close()
  // The table of the options comes first.
  const [, table = ''] = read('docs/observability.md').split('| metric, after')
  const [rows = ''] = table.split('\n\n')
  const documented = [...rows.matchAll(/^\| (`[^|]*`) \|/gm)].flatMap(([, cell]) => codeOf(cell).split(', '))
  expect(documented.toSorted()).toEqual(names.toSorted())
})

test('docs/api.md has every export of the entries for Prometheus and OpenTelemetry', () => {
  const page = read('docs/api.md')
  for (const name of ['src/prometheus.ts', 'src/otel.ts'].flatMap(exportsOf)) expect(page).toContain(`\`${name}\``)
})
