import type { Broker } from '../broker.ts'
import { BASICS } from './basics.ts'
import { lateStart } from './late-start.ts'
import { lostSubscribers, outages } from './outages.ts'
import { refusedMessages, refusedSubscriptions } from './refusals.ts'
import type { BrokerTest, BrokerUnderTest, ConformanceTest } from './broker-test.ts'
import { TestNode } from './test-node.ts'

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
