// Tests for those who write a broker
export { brokerConformance, type BrokerUnderTest, type ConformanceTest } from './brokers/conformance/conformance.ts'
