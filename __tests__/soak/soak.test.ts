import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureDist } from '../support/dist.ts'

const seconds = Number(process.env['SOAK_SECONDS'] ?? 15)
const folder = mkdtempSync(join(tmpdir(), 'soak-'))
const svg = join(folder, 'soak.svg')

beforeAll(() => ensureDist(), 60_000)

afterAll(() => rmSync(folder, { recursive: true }))

/** Runs the soak test; resolves with its exit code and output. */
async function soak(...args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [join(__dirname, 'run.mjs'), '--svg', svg, ...args],
      (_error, stdout, stderr) => {
        resolve({ code: child.exitCode ?? -1, output: stdout + stderr })
      }
    )
  })
}

test(
  `${seconds} s with 300 connections in churn, a tenth of them hostile: nothing lost, nothing left behind`,
  async () => {
    const { code, output } = await soak('--seconds', String(seconds), '--connections', '300', '--seed', '1')
    // The report names the failed check; the exit code only says that there is one.
    expect(output.split('\n').filter((line) => line.includes('FAIL'))).toEqual([])
    expect({ code, output }).toMatchObject({ code: 0 })
    expect(readFileSync(svg, 'utf8')).toMatch(/^<svg [^]*<\/svg>\n$/)
  },
  (seconds + 90) * 1000
)

test.each([
  ['lose', 'honest clients lost nothing'],
  ['twice', 'honest clients got everything once and in order'],
  ['leak', 'the heap did not grow']
])(
  'the checks detect a faulty server: %s',
  async (sabotage, check) => {
    const { code, output } = await soak('--seconds', '8', '--connections', '60', '--seed', '2', '--sabotage', sabotage)
    expect(code).toBe(1)
    expect(output).toContain(`FAIL ${check}`)
  },
  100_000
)

test.each([
  [['--seconds', 'long'], '--seconds must be a whole number over 0, got long'],
  [['--sabotage', 'fire'], '--sabotage must be one of'],
  [['--connections', '100000000'], 'the limit of open files is too low']
])('%j is refused with a reason', async (args, reason) => {
  const { code, output } = await soak(...args)
  expect(code).toBe(1)
  expect(output).toContain(reason)
})
