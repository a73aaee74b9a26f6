import fc from 'fast-check'
import { PreparedMessage } from '../../src/connection/write/prepared-message.ts'
import type { Frame } from '../../src/connection/write/frame.ts'
import { SendQueue } from '../../src/connection/write/send-queue.ts'

const PLACES = 300
/** How many bytes so many places may have. */
const MAX_BYTES = PLACES * 16 * 1024

const keyOf = (frame: Frame): string | undefined => frame.broadcast?.key

function frameOf(size: number, key: string | undefined): Frame {
  return new PreparedMessage(2, Buffer.alloc(size), undefined, { key, isVolatile: false }).frameFor(undefined)
}

const size = fc.oneof({ weight: 4, arbitrary: fc.nat(100) }, { weight: 1, arbitrary: fc.nat(1_500_000) })
const action = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('push' as const), size }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('keyed' as const), size, key: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), at: fc.nat(50) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('shift' as const), limit: fc.nat(500) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('exempt' as const) }) }
)

test('the queue is like a list from which a frame with the same key is taken out before another is added', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 120 }), (actions) => {
      const queue = new SendQueue()
      let model: Frame[] = []
      let exempt = 0
      /** The positions that the queue gives, and those of the model. */
      const replaced: [number, number][] = []
      const bytesOf = (frames: Frame[]): number => frames.reduce((sum, frame) => sum + frame.size, 0)
      for (const one of actions) {
        if (one.do === 'push') {
          model.push(frameOf(one.size, undefined))
          queue.push(model.at(-1) as Frame)
        } else if (one.do === 'keyed') {
          const frame = frameOf(one.size, `${one.key}`)
          const at = model.findLastIndex((other) => keyOf(other) === `${one.key}`)
          const old = model[at]
          const isTooLong =
            old !== undefined && frame.size > old.size && bytesOf(model) - old.size + frame.size > MAX_BYTES
          replaced.push([queue.replace(frame, `${one.key}`, PLACES), isTooLong ? -1 : at])
          if (at === -1 || isTooLong) queue.push(frame)
          else model.splice(at, 1)
          model.push(frame)
        } else if (one.do === 'remove' && model.length > 0) {
          const at = one.at % model.length
          queue.remove(at)
          model.splice(at, 1)
          if (at < exempt) exempt--
        } else if (one.do === 'shift') {
          const count = queue.batch(one.limit)
          queue.shift(count)
          model = model.slice(count)
          exempt = Math.max(0, exempt - count)
        } else if (one.do === 'exempt') {
          queue.exemptQueued()
          exempt = model.length
        }
        // Not toEqual: a failure would print all bytes.
        const queued = queue.frames.slice(queue.head)
        expect([queued.length, queued.every((frame, i) => frame === model[i])]).toEqual([model.length, true])
        expect(queue.bytes).toBe(bytesOf(model))
        const waiting = bytesOf(model.slice(exempt))
        const room = MAX_BYTES - waiting
        expect(queue.isFull({ size: room } as Frame, PLACES)).toBe(room < 0 && waiting > 0)
        expect(queue.isFull({ size: room + 1 } as Frame, PLACES)).toBe(waiting > 0)
        expect(queue.isFull(frameOf(0, undefined), model.length - exempt)).toBe(true)
      }
      expect(replaced.map(([got]) => got)).toEqual(replaced.map(([, expected]) => expected))
    }),
    { numRuns: 300 }
  )
})
