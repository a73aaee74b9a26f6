import { definitionOf } from '../contract/definition.ts'
import type { Contract } from '../contract/types.ts'
import { addressOf, type Address } from './address.ts'
import { isObject, type JsonObject } from './json-schema.ts'
import type { SchemaBundle, SharedSchemas } from './schema-bundle.ts'

/** A contract route, as a document needs it. */
export interface DescribedRoute {
  readonly contract: Contract
  readonly url: string
  /** The schema of the route; not that of the contract. */
  readonly schema: RouteSchema | undefined
  readonly security: unknown
  /** The schemas that the route's instance shares. */
  sharedSchemas(): SharedSchemas
}

/** What Fastify and `@fastify/swagger` know in the schema of a route. */
export interface RouteSchema {
  params?: object
  querystring?: object
  query?: object
  headers?: object
  tags?: unknown
  summary?: unknown
  description?: unknown
  security?: unknown
}

/** The channel of a route, without its messages. */
export function channelOf(route: DescribedRoute, bundle: SchemaBundle): JsonObject {
  const { name, version, description } = definitionOf(route.contract)
  const schema = route.schema ?? {}
  const address = addressOf(route.url)
  const parameters = parametersOf(address, dataOf(route, 'params', bundle))
  return {
    address: address.text,
    title: name,
    ...textOf('summary', schema.summary),
    ...textOf('description', schema.description ?? description),
    ...(Object.keys(parameters).length > 0 && { parameters }),
    tags: tagsOf(name, description, schema.tags),
    bindings: { ws: bindingOf(route, bundle) },
    ...textOf('x-contract-version', version)
  }
}

function bindingOf(route: DescribedRoute, bundle: SchemaBundle): JsonObject {
  const query = dataOf(route, 'querystring', bundle) ?? dataOf(route, 'query', bundle)
  const headers = dataOf(route, 'headers', bundle)
  return { method: 'GET', ...(query && { query }), ...(headers && { headers }), bindingVersion: '0.1.0' }
}

function dataOf(
  route: DescribedRoute,
  part: 'params' | 'querystring' | 'query' | 'headers',
  bundle: SchemaBundle
): JsonObject | undefined {
  const schema = route.schema?.[part]
  const name = `${addressOf(route.url).text}.${part}`
  return schema && bundle.add(schema, 'input', name, route.sharedSchemas())
}

/** AsyncAPI has no schemas for parameters, because they are strings. */
function parametersOf({ parameters }: Address, schema: JsonObject | undefined): Record<string, JsonObject> {
  const properties = isObject(schema?.properties) ? schema.properties : {}
  return Object.fromEntries([...parameters].map(([name, own]) => [name, parameterOf(properties[own])]))
}

function parameterOf(schema: unknown): JsonObject {
  if (!isObject(schema)) return {}
  const { description, enum: values, const: only, default: value, examples } = schema
  const allowed = Array.isArray(values) ? values : only === undefined ? undefined : [only]
  return {
    ...textOf('description', description),
    ...(allowed && { enum: allowed.map(String) }),
    ...(isScalar(value) && { default: String(value) }),
    ...(Array.isArray(examples) && { examples: examples.map(String) })
  }
}

function isScalar(value: unknown): value is string | number | boolean {
  return ['string', 'number', 'boolean'].includes(typeof value)
}

function tagsOf(name: string, description: string | undefined, tags: unknown): JsonObject[] {
  const more = Array.isArray(tags) ? tags.filter((tag) => typeof tag === 'string' && tag !== name) : []
  return [
    { name, ...textOf('description', description) },
    ...[...new Set(more)].map((tag) => ({ name: tag as string }))
  ]
}

function textOf(key: string, value: unknown): JsonObject {
  return typeof value === 'string' && value !== '' ? { [key]: value } : {}
}
