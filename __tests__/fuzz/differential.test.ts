import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { ensureDist } from '../support/dist.ts'

/** Seeds of streams that once were findings, as a run prints them after `--only`. */
const REGRESSIONS: string[] = ['2014085880', '2055455014', '837615034', '1319719518']

beforeAll(() => ensureDist(), 60_000)

/** Runs the differential fuzzer and returns its output, which begins with the seed. */
async function fuzz(...options: string[]): Promise<string> {
  const command = [join(__dirname, 'differential.mjs'), ...options]
  return new Promise((resolve) => {
    execFile(process.execPath, command, (_error, stdout, stderr) => resolve(stdout + stderr))
  })
}

test.each([['a fixed seed', ['--seed', '1']] as const, ['a new seed', []] as const])(
  'the frame reader reads 50 000 frames as the Receiver of ws does: %s',
  async (_name, options) => {
    expect(await fuzz('--frames', '50000', ...options)).toMatch(/\nno findings\n$/)
  },
  60_000
)

test('earlier findings do not occur again', async () => {
  const only = REGRESSIONS.flatMap((seed) => ['--only', seed])
  expect(await fuzz('--frames', '0', ...only)).toMatch(/\nno findings\n$/)
})
