import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Broker } from '../../src/index.ts'
import { clusterBroker, connectWorkers } from '../../src/cluster.ts'
import { brokerConformance } from '../../src/testing.ts'
import { ensureDist } from '../support/dist.ts'

const PROGRAM = join(__dirname, 'support', 'workers', 'conformance.mjs')

const create = (): Broker => clusterBroker({ name: 'conformance' })

describe('brokers in threads', () => {
  test.each(brokerConformance({ create }))('$name', ({ run }) => run())
})

let end: () => void
const interrupt = async (): Promise<() => Promise<void>> => {
  end()
  return async () => {
    end = connectWorkers()
  }
}
// Without a line, the broker would be one for threads.
const createLate = async () => ({ broker: create(), start: await interrupt() })
const inPrimary = brokerConformance({ create, interrupt, createLate })

describe('brokers in the primary', () => {
  beforeAll(() => {
    end = connectWorkers()
  })
  afterAll(() => end())
  test.each(inPrimary)('$name', ({ run }) => run())
})

type Results = Record<string, string | number>

async function testInWorker(serialization: string): Promise<Results> {
  const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, serialization], { timeout: 25_000 })
  return JSON.parse(stdout) as Results
}

describe('brokers in a worker', () => {
  const results: Record<string, Promise<Results>> = {}
  beforeAll(() => {
    ensureDist()
    for (const serialization of ['advanced', 'json']) results[serialization] = testInWorker(serialization)
  }, 60_000)

  describe.each(['advanced', 'json'])('with the serialization %s', (serialization) => {
    test.each(inPrimary.map(({ name }) => name))('%s', async (name) => {
      expect((await results[serialization])?.[name]).toBe('passed')
    })

    test('no listener is left', async () => {
      expect((await results[serialization])?.['listeners']).toBe(0)
    })
  })
})
