import fc from 'fast-check'
import { jsonCopy } from '../../src/schemas/json-form.ts'

const throughText = (data: unknown): unknown => JSON.parse(JSON.stringify(data))

function deep(levels: number): object {
  return levels === 0 ? {} : { inner: deep(levels - 1) }
}

const cases: Record<string, unknown> = {
  'nested plain data': { name: 'Ann', tags: ['a', { b: [1, null, true] }] },
  'an object without a prototype': Object.assign(Object.create(null) as object, { a: 1 }),
  'a property called __proto__': JSON.parse('{"__proto__":{"a":{"b":1}}}'),
  'a property without a value': { a: undefined, b: 1 },
  'a function': { a: () => 1, b: [() => 1] },
  'numbers that JSON lacks': { a: NaN, b: [Infinity] },
  'an array with holes': [1, , 3], // oxlint-disable-line no-sparse-arrays
  'a Date': { at: new Date(0) },
  'a Map': { map: new Map([[1, 2]]) },
  'an own toJSON': { toJSON: () => ({ a: 1 }) },
  'a hidden toJSON': Object.defineProperty({ a: 1 }, 'toJSON', { value: () => 'text' }),
  'an array with toJSON': Object.assign([1], { toJSON: () => [2] }),
  'an array of a class': new (class List extends Array {
    toJSON(): string[] {
      return ['a']
    }
  })(),
  'an object of a class': new (class Named {
    name = 'Ann'
  })(),
  'a symbol as value': { a: Symbol('a'), b: 1 },
  'deep data': deep(100)
}

test.each(Object.keys(cases))('the copy is what JSON makes of %s', (name) => {
  expect(jsonCopy(cases[name], 'said')).toStrictEqual(throughText(cases[name]))
})

test('the copy of any value is what JSON makes of it', () => {
  const value = fc.anything({ withDate: true, withMap: true, withNullPrototype: true, withSparseArray: true })
  fc.assert(
    fc.property(fc.dictionary(fc.string(), value), (data) => {
      expect(JSON.stringify(jsonCopy(data, 'said'))).toBe(JSON.stringify(throughText(data)))
    })
  )
})

test('no part of the copy is shared with the data', () => {
  const data = { list: [{ a: 1 }], object: { b: {} } }
  const copy = jsonCopy(data, 'said') as typeof data
  expect(copy).not.toBe(data)
  expect(copy.list).not.toBe(data.list)
  expect(copy.list[0]).not.toBe(data.list[0])
  expect(copy.object.b).not.toBe(data.object.b)
})

test('data without a JSON form throws', () => {
  const cycle: Record<string, unknown> = {}
  cycle.self = cycle
  expect(() => jsonCopy(cycle, 'said')).toThrow(TypeError)
  expect(() => jsonCopy({ a: 1n }, 'said')).toThrow(TypeError)
  expect(() => jsonCopy(() => 1, 'said')).toThrow('The data of said has no JSON form')
  expect(jsonCopy(undefined, 'said')).toBeUndefined()
})
