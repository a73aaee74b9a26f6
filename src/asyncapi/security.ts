import { isObject, type JsonObject, refPart } from './json-schema.ts'

/** How clients prove who they are, by the names that routes use in `security`. */
export type SecuritySchemes = Readonly<Record<string, object>>

const WITH_SCOPES = new Set(['oauth2', 'openIdConnect'])

/** Puts the security of routes into a document. */
export class Security {
  /** The schemes that routes use. */
  readonly used: Record<string, JsonObject> = {}
  readonly #schemes: SecuritySchemes

  /** @param schemes in the form of AsyncAPI or of OpenAPI. */
  constructor(schemes: SecuritySchemes) {
    this.#schemes = schemes
  }

  /** @param security as `@fastify/swagger` takes it: `[{ bearer: [] }]`. */
  add(security: unknown): JsonObject[] {
    if (!Array.isArray(security)) return []
    return security
      .filter(isObject)
      .flatMap((requirement) => Object.entries(requirement).map(([name, scopes]) => this.#require(name, scopes)))
  }

  /** A requirement of scopes holds a copy of its scheme, because AsyncAPI has the scopes there. */
  #require(name: string, scopes: unknown): JsonObject {
    const scheme = (this.used[name] ??= schemeOf(name, this.#schemes[name]))
    const hasScopes = WITH_SCOPES.has(String(scheme.type)) && Array.isArray(scopes) && scopes.length > 0
    return hasScopes ? { ...scheme, scopes: scopes as unknown[] } : { $ref: refTo(name) }
  }
}

function schemeOf(name: string, given: object | undefined): JsonObject {
  if (given === undefined) return { type: 'http', scheme: 'bearer', description: `"${name}" of the routes' security` }
  const scheme = { ...given } as JsonObject
  // OpenAPI has the place of an API key in HTTP; AsyncAPI calls such a key `httpApiKey`.
  if (scheme.type === 'apiKey' && 'name' in scheme) return { ...scheme, type: 'httpApiKey' }
  return isObject(scheme.flows) ? { ...scheme, flows: flowsOf(scheme.flows) } : scheme
}

/** OpenAPI's `scopes` of a flow are AsyncAPI's `availableScopes`. */
function flowsOf(flows: JsonObject): JsonObject {
  const entries = Object.entries(flows).map(([name, flow]) => {
    if (!isObject(flow) || !('scopes' in flow)) return [name, flow]
    const { scopes, ...rest } = flow
    return [name, { availableScopes: scopes, ...rest }]
  })
  return Object.fromEntries(entries) as JsonObject
}

function refTo(name: string): string {
  return `#/components/securitySchemes/${refPart(name)}`
}
