import type { Fault, WalkEngine } from '../engine.ts'

/** Nodes in memory, with a network that loses and delays messages. */
export async function memory(): Promise<WalkEngine> {
  const bad =
    (maxLoss: number, maxDelay: number): Fault =>
    ({ random, ask }) => {
      ask('weather', { loss: random.between(0, maxLoss), delay: random.between(0, maxDelay) })
      return () => ask('weather', { loss: 0, delay: 0 })
    }
  return {
    isShared: true,
    isOrdered: true,
    options: () => ({ kind: 'memory' }),
    cuts: {},
    outages: { 'lose and delay messages': bad(0.5, 100), 'lose messages': bad(1, 0) },
    heal: async () => {},
    close: async () => {}
  }
}
