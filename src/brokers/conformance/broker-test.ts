import type { Broker } from '../broker.ts'
import type { TestNode } from './test-node.ts'

/** Makes the brokers to test. Each optional function adds the tests that need it. */
export interface BrokerUnderTest {
  /** Makes a broker. It is called once for each node of a test, and all brokers use the same engine. */
  create(): Broker | Promise<Broker>
  /** Stops the engine. Resolves to a function that starts it again. */
  interrupt?: () => Promise<() => Promise<void>>
  /** Breaks the connections that the brokers subscribe over, and no others. Only for engines that can tell them apart. */
  loseSubscribers?: () => Promise<void>
  /** Makes the engine refuse messages of the brokers. Resolves to a function that allows them again. */
  refusePublish?: () => Promise<() => Promise<void>>
  /** Makes the engine refuse and end all subscriptions of the brokers. Resolves to a function that allows them again. */
  refuseSubscribe?: () => Promise<() => Promise<void>>
  /** Makes a broker whose engine is not there yet. Resolves to the broker and to a function that starts the engine. */
  createLate?: () => Promise<{ broker: Broker | Promise<Broker>; start: () => Promise<void> }>
}

/** A test of a contract, for any test runner: `for (const { name, run } of brokerConformance(…)) test(name, run)`. */
export interface ConformanceTest {
  name: string
  /** Rejects if the broker or the store fails the test, as a rule with an `AssertionError`. */
  run(): Promise<void>
}

/** Makes a node that is closed after the test, with this broker or with a new one. The node is not open yet. */
export type MakeNode = (broker?: Broker | Promise<Broker>) => Promise<TestNode>

/** One test of the contract. */
export type BrokerTest = [name: string, run: (makeNode: MakeNode) => Promise<void>]

/** How long to wait for messages that must not arrive, in milliseconds, after one that must has arrived. */
export const SILENCE = 50

export async function openNode(makeNode: MakeNode): Promise<TestNode> {
  return (await makeNode()).open()
}

export async function openTwo(makeNode: MakeNode): Promise<[TestNode, TestNode]> {
  return [await openNode(makeNode), await openNode(makeNode)]
}
