import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ensureDist } from '../support/dist.ts'

const run = promisify(execFile)
const CHILD = join(__dirname, '..', 'support', 'two-copies-child.mjs')

// An application that imports the package and one of its dependencies that requires it load two copies into one process.

beforeAll(() => ensureDist(), 60_000)

describe.each(['esm', 'cjs'])('a server of the %s copy', (format) => {
  test.each([
    ['membership', 'a hub of the other copy takes its connections: rooms, broadcasts, except, filter, disconnect'],
    ['bursts', 'a hub with connections of both copies sends bursts, short and compressed, in the same order to all'],
    ['slow', 'a hub of the other copy finds a slow consumer and closes it'],
    ['instances', 'instanceof knows connections, hubs, engines and errors of the other copy'],
    ['failures', 'listeners of the other copy that fail are logged'],
    ['brokers', 'memory brokers of both copies reach each other, and a broker has one owner'],
    ['origins', 'checks of origins of the other copy are known'],
    ['registration', 'the plugin of the other copy is not registered beside it']
  ])('%s: %s', async (scenario) => {
    const { stdout } = await run(process.execPath, [CHILD, scenario, format], { timeout: 25_000 })
    expect(stdout).toBe('done\n')
  })
})
