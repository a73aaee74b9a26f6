/** Deeper data, and data with a cycle, is copied through text. */
const MAX_DEPTH = 32

/** @throws TypeError if the value has no JSON form. Undefined for undefined. */
export function jsonText(value: unknown, name: string): string | undefined {
  const text = JSON.stringify(value) as string | undefined
  if (text === undefined && value !== undefined) throw new TypeError(`The data of ${name} has no JSON form`)
  return text
}

/**
 * A copy of data in its JSON form. Plain data does not need the text for that, which takes ten times as long.
 *
 * @throws TypeError if the data has no JSON form.
 */
export function jsonCopy(data: unknown, name: string): unknown {
  return plainCopy(data, MAX_DEPTH) ?? copyThroughText(data, name)
}

function copyThroughText(data: unknown, name: string): unknown {
  const text = jsonText(data, name)
  return text === undefined ? undefined : (JSON.parse(text) as unknown)
}

/** Undefined if JSON would change anything in the value. */
function plainCopy(value: unknown, depth: number): unknown {
  if (isSimple(value)) return value
  if (typeof value !== 'object' || depth === 0 || 'toJSON' in (value as object)) return undefined
  const prototype = Object.getPrototypeOf(value) as unknown
  if (prototype === Array.prototype) return copyParts([...(value as unknown[])], depth - 1)
  if (prototype === Object.prototype || prototype === null) return copyParts({ ...value }, depth - 1)
  return undefined
}

/** Replaces the values of a shallow copy with copies of their own. */
function copyParts(copy: unknown[] | Record<string, unknown>, depth: number): unknown {
  const parts = copy as Record<string, unknown>
  for (const key of Object.keys(parts)) {
    if (isSimple(parts[key])) continue
    const part = plainCopy(parts[key], depth)
    if (part === undefined) return undefined
    parts[key] = part
  }
  return copy
}

function isSimple(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'boolean' || value === null || Number.isFinite(value)
}
