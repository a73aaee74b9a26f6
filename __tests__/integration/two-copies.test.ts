import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ensureDist } from '../support/dist.ts'

const run = promisify(execFile)
const CHILD = join(__dirname, '..', 'support', 'two-copies-child.mjs')

// If an application imports the package and a dependency requires it, the process has two copies of it.

beforeAll(() => ensureDist(), 60_000)

describe.each(['esm', 'cjs'])('a server of the %s copy', (format) => {
  test.each([
    ['membership', 'a hub of the other copy accepts its connections: rooms, broadcasts, except, filter, disconnect'],
    ['bursts', 'a hub with connections of both copies sends bursts, short and compressed, to all in the same order'],
    ['slow', 'a hub of the other copy detects a slow consumer and closes it'],
    ['instances', 'instanceof recognizes connections, hubs, engines and errors of the other copy'],
    ['failures', 'listeners of the other copy that fail are logged'],
    ['brokers', 'memory brokers of both copies reach each other, and a broker has one owner'],
    ['contracts', 'contracts, their errors and their broadcasts work across the copies'],
    ['origins', 'origin checks of the other copy are recognized'],
    ['registration', 'the plugin of the other copy cannot be registered as well']
  ])('%s: %s', async (scenario) => {
    const { stdout } = await run(process.execPath, [CHILD, scenario, format], { timeout: 25_000 })
    expect(stdout).toBe('done\n')
  })
})
