import { definitionOf } from '../contract/definition.ts'
import type { Contract } from '../contract/types.ts'
import { channelOf, type DescribedRoute } from './channel.ts'
import { GENERAL_ERRORS } from './frames.ts'
import { type JsonObject, refPart } from './json-schema.ts'
import { ContractMessages, type Exchange } from './messages.ts'
import { freeKey, SchemaBundle, type SharedSchemas } from './schema-bundle.ts'
import { Security, type SecuritySchemes } from './security.ts'
import type { ToJsonSchema } from './standard-schema.ts'

/** What a document says about the server as a whole. */
export interface AsyncApiInfo {
  /** @default 'WebSocket API' */
  title?: string
  /** The version of the API. @default '1.0.0' */
  version?: string
  description?: string
  /** The servers, in the form of AsyncAPI: `{ production: { host: 'example.com', protocol: 'wss' } }`. */
  servers?: Readonly<Record<string, object>>
  /**
   * The schemes that routes name in `security`, in the form of AsyncAPI or OpenAPI. A scheme that is missing is said to be an
   * HTTP bearer token.
   */
  securitySchemes?: SecuritySchemes
  /**
   * Makes the JSON Schema of a Standard Schema that has none of its own. `side` is `'input'` for what clients send, and
   * `'output'` for what the server sends. A schema for which it returns nothing is `{}` in the document.
   */
  toJSONSchema?: ToJsonSchema
}

/** An AsyncAPI 3.0 document. It is JSON, and belongs to the caller. */
export interface AsyncApiDocument {
  asyncapi: '3.0.0'
  info: { title: string; version: string; description?: string }
  servers?: Record<string, object>
  defaultContentType: string
  // oxlint-disable-next-line typescript/no-explicit-any -- the caller reads JSON
  channels: Record<string, any>
  // oxlint-disable-next-line typescript/no-explicit-any -- the caller reads JSON
  operations: Record<string, any>
  // oxlint-disable-next-line typescript/no-explicit-any -- the caller reads JSON
  components: { schemas: Record<string, any>; securitySchemes?: Record<string, any> }
}

/** Describes contract routes. */
export function asyncApiDocument(routes: readonly DescribedRoute[], info: AsyncApiInfo = {}): AsyncApiDocument {
  const { title = 'WebSocket API', version = '1.0.0', description, servers, securitySchemes = {}, toJSONSchema } = info
  const bundle = new SchemaBundle(toJSONSchema)
  Object.assign(bundle.schemas, structuredClone(GENERAL_ERRORS))
  const security = new Security(securitySchemes)
  const channels: AsyncApiDocument['channels'] = {}
  const operations: AsyncApiDocument['operations'] = {}
  const owners = new Map<Contract, SharedSchemas>()
  for (const route of routes) {
    // The instance of a contract's first route compiles the contract.
    const shared = owners.get(route.contract) ?? route.sharedSchemas()
    owners.set(route.contract, shared)
    const exchanges = new ContractMessages(definitionOf(route.contract), bundle, shared).exchanges()
    const id = freeKey(channelIdOf(route.url), channels)
    channels[id] = { ...channelOf(route, bundle), messages: messagesOf(exchanges) }
    const required = security.add(route.schema?.security ?? route.security)
    for (const exchange of exchanges) operations[`${id}.${exchange.key}`] = operationOf(id, exchange, required)
  }
  const hasSecurity = Object.keys(security.used).length > 0
  return structuredClone({
    asyncapi: '3.0.0',
    info: { title, version, ...(description !== undefined && { description }) },
    ...(servers && { servers }),
    defaultContentType: 'application/json',
    channels,
    operations,
    components: { schemas: bundle.schemas, ...(hasSecurity && { securitySchemes: security.used }) }
  })
}

/** The words of a path: `/chat/:room` becomes `chat-room`. It has no dots, which separate it from the names of operations. */
function channelIdOf(url: string): string {
  return url.replace(/\W+/g, '-').replace(/^-|-$/g, '') || 'root'
}

function messagesOf(exchanges: readonly Exchange[]): Record<string, JsonObject> {
  return Object.fromEntries(
    exchanges.flatMap(({ key, request, replies }) =>
      replies === undefined
        ? [[key, request]]
        : [
            [`${key}.request`, request],
            [`${key}.result`, replies.result],
            [`${key}.error`, replies.error]
          ]
    )
  )
}

function operationOf(channel: string, { key, name, action, replies }: Exchange, security: JsonObject[]): JsonObject {
  const channelRef = `#/channels/${refPart(channel)}`
  const message = (part: string): JsonObject => ({ $ref: `${channelRef}/messages/${refPart(key + part)}` })
  return {
    action,
    channel: { $ref: channelRef },
    title: name,
    messages: [message(replies === undefined ? '' : '.request')],
    ...(security.length > 0 && { security }),
    ...(replies && { reply: { channel: { $ref: channelRef }, messages: [message('.result'), message('.error')] } })
  }
}
