import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Panel {
  id: number
  type: string
  title: string
  datasource?: { type: string; uid: string }
  gridPos: { h: number; w: number; x: number; y: number }
  fieldConfig?: { defaults: { unit: string } }
  targets?: { refId: string; expr: string; legendFormat: string; datasource: { uid: string } }[]
}

export interface Dashboard {
  uid: string
  title: string
  schemaVersion: number
  templating: { list: { name: string; type: string; query: string | { query: string } }[] }
  panels: Panel[]
}

/** The dashboard for Grafana. */
export function readDashboard(): Dashboard {
  const file = join(__dirname, '..', '..', '..', 'docs', 'grafana', 'fastify-blaze-ws.json')
  return JSON.parse(readFileSync(file, 'utf8')) as Dashboard
}

/** The queries of all panels. */
export function queriesOf({ panels }: Dashboard): string[] {
  return panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
}
