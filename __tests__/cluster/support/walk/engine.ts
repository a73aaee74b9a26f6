import type { Random } from './random.ts'

/** Ends a fault that lasts. */
export type End = () => unknown

/** What a fault may use: chance, and the process of nodes in memory. */
export interface FaultTools {
  random: Random
  ask: (command: string, options: object) => void
}

/** Something that goes wrong: at once, or from now on until its end is called. */
export type Fault = (tools: FaultTools) => End | void | Promise<End | void>

/** An engine that a walk goes over, and what can go wrong with it. */
export interface WalkEngine {
  /** What the node at this place is told, to make its brokers. */
  options(place: number): object
  /** All messages of one sender stay in order, whatever rooms they go to. */
  readonly isOrdered: boolean
  /** True if all nodes are in one process. */
  readonly isShared?: boolean
  /** True if a node may learn only from a message that is refused that its channel has moved. It counts that as unpublished. */
  readonly learnsLate?: boolean
  /** What is wrong with a single connection, or over at once. */
  readonly cuts: Record<string, Fault>
  /** What is wrong with the engine itself: one at a time. */
  readonly outages: Record<string, Fault>
  /** Settles when everything works again, after all faults have ended. */
  heal(): Promise<void>
  close(): Promise<unknown>
}
