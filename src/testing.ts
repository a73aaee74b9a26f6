// Tests for a broker of your own
export { brokerConformance, type BrokerUnderTest, type ConformanceTest } from './brokers/conformance/conformance.ts'
