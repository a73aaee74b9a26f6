import fc from 'fast-check'
import { slotOf } from '../../src/brokers/redis/slot.ts'
import { keysOf } from '../../src/history/redis/keys.ts'

const room = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 300 }),
  fc.string({ unit: fc.constantFrom('{', '}', 'a', ':', 'h', 's', 't', '0') })
)
const prefix = fc.constantFrom('blaze:', '{', '}', '{}', '{a}', 'a{', '{0}', ':h')

test('all keys of a room have the slot of its channel', () => {
  fc.assert(
    fc.property(prefix, room, (prefix, room) => {
      const { slot, names } = keysOf(prefix + room)
      expect(slot).toBe(slotOf(prefix + room))
      expect(names.map(slotOf)).toEqual([slot, slot, slot])
    })
  )
})

test('rooms have different keys', () => {
  fc.assert(
    fc.property(prefix, fc.uniqueArray(room, { maxLength: 50 }), (prefix, rooms) => {
      const names = rooms.flatMap((room) => keysOf(prefix + room).names)
      expect(new Set(names).size).toBe(3 * rooms.length)
    })
  )
})

test('rooms whose names look like keys of others have keys of their own', () => {
  // A channel without a valid hash tag gets one that has its slot.
  const [stream] = keysOf('{}').names
  const tag = /^\{\w+\}/.exec(stream)?.[0] as string
  const channels = ['{}', `${tag}{}`, `${tag}{}:h`, `${tag}{}:h:t`, `{${tag}{}}`, `{{}}`]
  const names = channels.flatMap((channel) => keysOf(channel).names)
  expect(new Set(names).size).toBe(3 * channels.length)
})

test.each([
  ['blaze:room', '{blaze:room}:h:s'],
  ['blaze:{tenant}:room', 'blaze:{tenant}:room:h:s']
])('%s has the key %s', (channel, key) => {
  expect(keysOf(channel).names[0]).toBe(key)
})
