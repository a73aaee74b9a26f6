// Tests for a broker of your own
export type { BrokerUnderTest, ConformanceTest } from './brokers/conformance/broker-test.ts'
export { brokerConformance } from './brokers/conformance/conformance.ts'

// Tests for a history of your own
export { historyConformance } from './history/conformance/conformance.ts'
export type { HistoryUnderTest } from './history/conformance/history-test.ts'

// A client for tests of routes
export { ExpectationError } from './test-client/expectation-error.ts'
export type { Within } from './test-client/inbox.ts'
export { TestClient } from './test-client/raw-client.ts'
export { RpcCallError } from './test-client/rpc-call-error.ts'
export { testClient } from './test-client/test-client.ts'
export type {
  ContractTestClient,
  ContractTestClientOptions,
  RpcNotification,
  TestAnswers,
  TestClientOptions
} from './test-client/types.ts'
export { UpgradeError } from './test-client/upgrade-error.ts'
export type { TestClose } from './test-client/wire.ts'
