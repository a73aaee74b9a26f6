export default {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/__tests__/**/*.test.ts'],
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/\\.cjs-'],
  moduleNameMapper: {
    '^fastify-blaze-ws$': '<rootDir>/src/index.ts',
    '^fastify-blaze-ws/(contract|client|tickets|redis|nats|cluster|prometheus|otel|dashboard|testing)$':
      '<rootDir>/src/$1.ts'
  },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } }
    ]
  },
  testTimeout: 30_000,
  reporters: ['default', '<rootDir>/__tests__/support/count-reporter.cjs'],
  coverageProvider: 'v8',
  // Files with types alone have no code that could run.
  collectCoverageFrom: ['src/**/*.ts', '!src/connection/locals.ts', '!src/**/types.ts'],
  coverageThreshold: { global: { lines: 95, branches: 95 } }
}
