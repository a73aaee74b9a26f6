import { pointerPart } from '../internal/json-pointer.ts'
import { assertSync, type Checked, type DataCheck, isPromise, type Issue, misfit } from './data-check.ts'
import { jsonText } from './json-form.ts'

interface StandardIssue {
  message: string
  path?: readonly (PropertyKey | { key: PropertyKey })[] | undefined
}
type StandardResult = { value: unknown; issues?: undefined } | { issues: readonly StandardIssue[] }
export interface StandardSchema {
  '~standard': { validate(data: unknown): StandardResult | Promise<StandardResult> }
}

/** A check with a Standard Schema, such as those of Zod and ArkType (https://standardschema.dev). */
export function standardCheck(schema: StandardSchema, name: string): DataCheck {
  const check = (data: unknown) => schema['~standard'].validate(data)
  return {
    incoming(data) {
      const result = check(data)
      return isPromise(result) ? Promise.resolve(result).then(checkedOf) : checkedOf(result)
    },
    outgoing(data) {
      const result = check(copyOf(data))
      assertSync(result, name)
      if (result.issues !== undefined) throw misfit(name, result.issues.map(issueOf))
      return jsonText(result.value, name)
    }
  }
}

function checkedOf(result: StandardResult): Checked {
  return result.issues === undefined ? { value: result.value } : { issues: result.issues.map(issueOf) }
}

function issueOf({ message, path = [] }: StandardIssue): Issue {
  return { path: path.map((part) => `/${pointerPart(typeof part === 'object' ? part.key : part)}`).join(''), message }
}

/** A schema may change what it is given. Objects with a class of their own, such as a Date, are not copied. */
function copyOf(data: unknown): unknown {
  if (Array.isArray(data)) return data.map(copyOf)
  if (typeof data !== 'object' || data === null) return data
  const prototype = Object.getPrototypeOf(data) as unknown
  if (prototype !== Object.prototype && prototype !== null) return data
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, copyOf(value)]))
}
