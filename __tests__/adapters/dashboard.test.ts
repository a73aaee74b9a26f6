import promClient from 'prom-client'
import { defineContract } from '../../src/contract.ts'
import { memoryBroker } from '../../src/index.ts'
import { prometheus } from '../../src/prometheus.ts'
import { closeServers, connect, startServer } from '../support/server.ts'
import { scrape } from './support/scrape.ts'
import { queriesOf, readDashboard } from './support/dashboard.ts'

const dashboard = readDashboard()
/** What Prometheus adds to every series, and the bound of a bucket. */
const ADDED_LABELS = ['job', 'instance']

afterEach(closeServers)

/** The metrics of a server on which everything has happened, with their labels. */
async function realMetrics(): Promise<Map<string, Set<string>>> {
  const registry = new promClient.Registry()
  const { ws } = await startServer(
    async (app) => {
      await app.register(prometheus, { client: promClient, registry })
      app.webSocketWithContract('/counter', defineContract({ name: 'counter', calls: { add: {} } }), {
        calls: { add: () => undefined }
      })
      app.webSocket('/brief', () => {})
    },
    { hub: { broker: memoryBroker() } }
  )
  await expect(connect(ws('/nowhere'))).rejects.toThrow('404')
  await (await connect(ws('/brief'))).close()
  const client = await connect(ws('/counter'))
  client.socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'add' }))
  await client.next()
  const metrics = new Map<string, Set<string>>()
  for (const series of (await scrape(registry)).keys()) {
    const [name = ''] = series.split('{')
    const labels = metrics.get(name) ?? new Set()
    for (const [, label = ''] of series.matchAll(/(\w+)="/g)) labels.add(label)
    metrics.set(name, labels)
  }
  return metrics
}

test('the queries name metrics and labels that a scrape has', async () => {
  const metrics = await realMetrics()
  for (const query of queriesOf(dashboard)) {
    const [name = ''] = /fastify_blaze_ws_\w+/.exec(query) ?? []
    expect([...metrics.keys()]).toContain(name)
    const selected = [...query.matchAll(/(\w+)=~?"/g)].map(([, label]) => label)
    const grouped = [...query.matchAll(/by \(([^)]*)\)/g)].flatMap(([, labels = '']) => labels.split(', '))
    const known = [...(metrics.get(name) ?? []), ...ADDED_LABELS]
    expect({ query, known }).toEqual({ query, known: expect.arrayContaining([...selected, ...grouped]) as unknown })
  }
})

test('the legends name labels that are left', () => {
  for (const { title, targets = [] } of dashboard.panels)
    for (const { expr, legendFormat } of targets) {
      const [, by = ''] = /by \(([^)]*)\)/.exec(expr) ?? []
      const named = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label)
      expect({ title, by: by.split(', ') }).toEqual({ title, by: expect.arrayContaining(named) as unknown })
    }
})

test('every metric has a panel', async () => {
  const shown = new Set(queriesOf(dashboard).flatMap((query) => query.match(/fastify_blaze_ws_\w+/g) ?? []))
  // The sum of a histogram and what the panels show in another form.
  const left = ['hub_bytes_total', 'connection_duration_seconds_count']
  const hidden = [...(await realMetrics()).keys()].filter((name) => !shown.has(name) && !name.endsWith('_sum'))
  expect(hidden).toEqual(expect.arrayContaining(left.map((name) => `fastify_blaze_ws_${name}`)))
  expect(hidden).toHaveLength(left.length)
})

test('it has the shape that Grafana imports', () => {
  const { panels, templating } = dashboard
  expect(dashboard).toMatchObject({ uid: 'fastify-blaze-ws', title: 'fastify-blaze-ws', schemaVersion: 39 })
  expect(templating.list.map(({ name, type }) => [name, type])).toEqual([
    ['datasource', 'datasource'],
    ['job', 'query'],
    ['instance', 'query']
  ])
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
  for (const panel of panels.filter(({ type }) => type !== 'row')) {
    expect(panel).toMatchObject({ type: 'timeseries', datasource: { type: 'prometheus', uid: '${datasource}' } })
    expect(panel.fieldConfig?.defaults.unit).toEqual(expect.any(String))
    expect(panel.targets?.length).toBeGreaterThan(0)
    const ids = panel.targets?.map(({ refId }) => refId)
    expect(new Set(ids).size).toBe(ids?.length)
    for (const { datasource } of panel.targets ?? []) expect(datasource.uid).toBe('${datasource}')
  }
})

test('the panels fill the grid of 24 columns and do not overlap', () => {
  const taken = new Set<string>()
  for (const { gridPos } of dashboard.panels) {
    expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24)
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        expect(taken.has(`${x} ${y}`)).toBe(false)
        taken.add(`${x} ${y}`)
      }
  }
  const height = Math.max(...dashboard.panels.map(({ gridPos }) => gridPos.y + gridPos.h))
  expect(taken.size).toBe(24 * height)
})
