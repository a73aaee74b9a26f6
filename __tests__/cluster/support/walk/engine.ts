import type { Random } from './random.ts'

/** Ends a fault that lasts. */
export type End = () => unknown

/** The tools of a fault: random numbers, and commands to the process of the nodes in memory. */
export interface FaultTools {
  random: Random
  ask: (command: string, options: object) => void
}

/** A fault: it is over at once, or lasts until its end is called. */
export type Fault = (tools: FaultTools) => End | void | Promise<End | void>

/** The engine of a walk, and its possible faults. */
export interface WalkEngine {
  /** The options from which the node at this place makes its brokers. */
  options(place: number): object
  /** True if all messages of one sender stay in order, even across rooms. */
  readonly isOrdered: boolean
  /** True if all nodes are in one process. */
  readonly isShared?: boolean
  /** True if a node may learn only from a refused message that its channel has moved. It counts that message as unpublished. */
  readonly learnsLate?: boolean
  /** Faults of a single connection, and faults that are over at once. */
  readonly cuts: Record<string, Fault>
  /** Faults of the engine itself, one at a time. */
  readonly outages: Record<string, Fault>
  /** Settles when everything works again, after all faults have ended. */
  heal(): Promise<void>
  close(): Promise<unknown>
}
