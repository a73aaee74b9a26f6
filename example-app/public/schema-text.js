/** Limits that are worth reading, in the words of JSON Schema. */
const LIMITS = ['minLength', 'maxLength', 'pattern', 'format', 'minimum', 'maximum', 'minItems', 'maxItems']

/** A JSON Schema in the short form of a type. */
export function schemaText(schema, indent = '') {
  const { $ref, anyOf, oneOf, properties, items, type = 'anything' } = schema
  if ($ref !== undefined) return $ref.split('/').at(-1)
  if ('const' in schema) return JSON.stringify(schema.const)
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(' | ')
  const choices = anyOf ?? oneOf
  if (choices !== undefined) return choices.map((choice) => schemaText(choice, indent)).join(' | ')
  if (properties !== undefined) return objectText(schema, indent)
  if (items !== undefined) return `list of ${schemaText(items, indent)}`
  return [type].flat().join(' | ') + limitsOf(schema)
}

function objectText({ properties, required = [] }, indent) {
  const inner = `${indent}  `
  const lines = Object.entries(properties).map(
    ([name, schema]) => `${inner}${name}${required.includes(name) ? '' : '?'}: ${schemaText(schema, inner)}\n`
  )
  return `{\n${lines.join('')}${indent}}`
}

function limitsOf(schema) {
  const limits = LIMITS.filter((name) => name in schema).map((name) => `${name} ${schema[name]}`)
  return limits.length === 0 ? '' : ` (${limits.join(', ')})`
}
