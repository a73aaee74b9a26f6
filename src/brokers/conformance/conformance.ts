import type { Broker } from '../broker.ts'
import { BASICS } from './basics.ts'
import { lateStart } from './late-start.ts'
import { lostSubscribers, outages } from './outages.ts'
import { refusedMessages, refusedSubscriptions } from './refusals.ts'
import type { BrokerTest } from './broker-test.ts'
import { TestNode } from './test-node.ts'

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

/** A test for any test runner: `for (const { name, run } of brokerConformance(…)) test(name, run)`. */
export interface ConformanceTest {
  name: string
  /** Rejects if the broker fails the test, as a rule with an `AssertionError`. */
  run(): Promise<void>
}

/** The tests of the contract in `Broker`. A test takes up to 10 seconds for each thing that must happen. */
export function brokerConformance(broker: BrokerUnderTest): ConformanceTest[] {
  return testsFor(broker).map(([name, run]) => ({
    name,
    async run() {
      const nodes: TestNode[] = []
      const makeNode = async (given?: Broker | Promise<Broker>): Promise<TestNode> => {
        const node = new TestNode(await (given ?? broker.create()))
        nodes.push(node)
        return node
      }
      try {
        await run(makeNode)
      } finally {
        await Promise.all(nodes.map((node) => node.close()))
      }
    }
  }))
}

function testsFor({
  interrupt,
  loseSubscribers,
  refusePublish,
  refuseSubscribe,
  createLate
}: BrokerUnderTest): BrokerTest[] {
  const tests = [...BASICS]
  if (interrupt !== undefined) tests.push(...outages(interrupt))
  if (loseSubscribers !== undefined) tests.push(lostSubscribers(loseSubscribers))
  if (refusePublish !== undefined) tests.push(refusedMessages(refusePublish))
  if (refuseSubscribe !== undefined) tests.push(...refusedSubscriptions(refuseSubscribe))
  if (createLate !== undefined) tests.push(lateStart(createLate))
  return tests
}
