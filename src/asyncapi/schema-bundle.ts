import { copySchema, isObject, type JsonObject, refPart, visitSchemas } from './json-schema.ts'
import { isStandardSchema, jsonSchemaOf, type Side, type ToJsonSchema } from './standard-schema.ts'

/** The schemas of `app.addSchema`, by their ids. */
export type SharedSchemas = Readonly<Record<string, unknown>>

/** Puts schemas into a document. A schema that a `$ref` leads to becomes one of the document's components. */
export class SchemaBundle {
  /** The components, by their keys. */
  readonly schemas: Record<string, JsonObject> = {}
  readonly #keys = new Map<object, string>()
  readonly #made = { input: new WeakMap<object, JsonObject>(), output: new WeakMap<object, JsonObject>() }
  readonly #toJsonSchema: ToJsonSchema | undefined

  constructor(toJsonSchema: ToJsonSchema | undefined) {
    this.#toJsonSchema = toJsonSchema
  }

  /**
   * The schema as it stands in the document: itself, or a `$ref` to a component.
   *
   * @param name of the component, if the schema becomes one.
   */
  add(schema: object, side: Side, name: string, shared: SharedSchemas): JsonObject {
    const root = isStandardSchema(schema) ? this.#fromStandard(schema, side) : schema
    const copy = this.#copy(root, name, shared)
    const key = this.#keys.get(root)
    return key === undefined ? copy : { $ref: refTo(key) }
  }

  #fromStandard(schema: object, side: Side): JsonObject {
    const made = this.#made[side].get(schema) ?? jsonSchemaOf(schema, side, this.#toJsonSchema)
    this.#made[side].set(schema, made)
    return made
  }

  #copy(root: object, name: string, shared: SharedSchemas): JsonObject {
    const ids = pointersOf(root)
    return copySchema(root, (ref) => {
      const [base = '', fragment = ''] = ref.split('#')
      const own = ids.get(base) ?? (base === '' ? '' : undefined)
      if (own !== undefined) return this.#component(root, name, shared) + (ids.get(`#${fragment}`) ?? own + fragment)
      const other = shared[base] ?? shared[`${base}#`]
      return isObject(other) ? this.#component(other, base, shared) + fragment : undefined
    }) as JsonObject
  }

  /** Makes a component of a schema. Returns the `$ref` to it. */
  #component(schema: object, name: string, shared: SharedSchemas): string {
    let key = this.#keys.get(schema)
    if (key === undefined) {
      key = freeKey(keyOf(name), this.schemas)
      this.#keys.set(schema, key)
      // The key is taken before the copy is made, because a schema may lead to itself.
      this.schemas[key] = {}
      this.schemas[key] = this.#copy(schema, name, shared)
    }
    return refTo(key)
  }
}

/** Returns `key`, or `key-2` and so on if it is taken. */
export function freeKey(key: string, taken: object): string {
  for (let n = 1; ; n++) {
    const candidate = n === 1 ? key : `${key}-${n}`
    if (!Object.hasOwn(taken, candidate)) return candidate
  }
}

/** Where the ids and anchors of a schema are, as JSON Pointers. */
function pointersOf(root: object): Map<string, string> {
  const pointers = new Map<string, string>()
  visitSchemas(root, ({ $id, $anchor }, pointer) => {
    if (typeof $id === 'string') pointers.set($id.replace(/(?<=.)#$/, ''), pointer)
    if (typeof $anchor === 'string') pointers.set(`#${$anchor}`, pointer)
  })
  return pointers
}

/** AsyncAPI allows these characters in the keys of components. */
function keyOf(name: string): string {
  return name.replace(/^\w+:\/+/, '').replace(/[^\w.-]+/g, '_') || 'schema'
}

function refTo(key: string): string {
  return `#/components/schemas/${refPart(key)}`
}
