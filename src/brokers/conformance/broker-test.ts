import type { Broker } from '../broker.ts'
import type { TestNode } from './test-node.ts'

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
