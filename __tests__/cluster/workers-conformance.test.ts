import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { clusterBroker } from '../../src/cluster.ts'
import { brokerConformance } from '../../src/testing.ts'
import { ensureDist } from '../support/dist.ts'

const PROGRAM = join(__dirname, 'support', 'workers', 'conformance.mjs')
const PLACES: [name: string, serialization: string, place: string][] = [
  ['in a worker, with bytes', 'advanced', 'worker'],
  ['in a worker, with JSON', 'json', 'worker'],
  ['in the primary', 'advanced', 'primary']
]

type Results = Record<string, string | number>

/** The results of all tests in each place. The places are tested at the same time. */
let results: Map<string, Promise<Results>>
const resultsOf = async (serialization: string, place: string): Promise<Results> =>
  (await results.get(`${serialization} ${place}`)) ?? {}

async function testIn(serialization: string, place: string): Promise<Results> {
  const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, serialization, place])
  return JSON.parse(stdout) as Results
}

beforeAll(() => {
  ensureDist()
  results = new Map(PLACES.map(([, ...where]) => [where.join(' '), testIn(...where)]))
}, 60_000)

const create = () => clusterBroker({ name: 'conformance' })

test.each(brokerConformance({ create }))('of brokers in threads: $name', ({ run }) => run())

// The names of the tests are those of the same suite here.
const outage = { interrupt: () => Promise.reject(), createLate: () => Promise.reject() }
const names = brokerConformance({ create, ...outage }).map(({ name }) => name)

describe.each(PLACES)('of brokers %s', (_, serialization, place) => {
  test.each(names)('%s', async (name) => {
    expect((await resultsOf(serialization, place))[name]).toBe('passed')
  })

  test('no listener is left', async () => {
    expect((await resultsOf(serialization, place))['listeners']).toBe(0)
  })
})
