import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureDist } from '../support/dist.ts'

const folder = mkdtempSync(join(tmpdir(), 'storm-test-'))
const [out, chart] = [join(folder, 'storm.json'), join(folder, 'storm.svg')]

beforeAll(() => ensureDist(), 60_000)

afterAll(() => rmSync(folder, { recursive: true }))

async function storm(...args: string[]): Promise<{ code: number; output: string }> {
  const file = join(__dirname, '..', '..', 'bench', 'storm.mjs')
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [file, '--out', out, '--chart', chart, ...args],
      (_error, stdout, stderr) => {
        resolve({ code: child.exitCode ?? -1, output: stdout + stderr })
      }
    )
  })
}

test('30 clients move from node to node, and miss nothing', async () => {
  const { code, output } = await storm('--clients', '30', '--spread', '1', '--mode', 'spread')
  expect({ code, output }).toMatchObject({ code: 0 })
  const { spread } = JSON.parse(readFileSync(out, 'utf8')).results
  expect(spread).toMatchObject({ missing: 0, repeated: 0, gaps: 0, gaveUp: 0 })
  expect(spread.deploys.map(({ moved }: { moved: number }) => moved)).toEqual([15, 30])
  expect(readFileSync(chart, 'utf8')).toContain('<svg')
}, 60_000)

test.each([
  [['--spread', 'long'], '--spread must be a whole number over 0, got long'],
  [['--mode', 'panic'], '--mode must be a list of backoff, together, spread, got panic']
])('%j is refused with a reason', async (args, reason) => {
  const { code, output } = await storm(...args)
  expect(code).toBe(1)
  expect(output).toContain(reason)
})
