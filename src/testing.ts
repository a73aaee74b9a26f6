// Tests for a broker of your own
export type { BrokerUnderTest, ConformanceTest } from './brokers/conformance/broker-test.ts'
export { brokerConformance } from './brokers/conformance/conformance.ts'
