import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureDist } from '../support/dist.ts'

const folder = mkdtempSync(join(tmpdir(), 'jitter-test-'))
const out = join(folder, 'jitter.json')

beforeAll(() => ensureDist(), 60_000)

afterAll(() => rmSync(folder, { recursive: true }))

/** Runs the test of delivery under jitter; resolves with its exit code and output. */
async function jitter(...args: string[]): Promise<{ code: number; output: string }> {
  const file = join(__dirname, '..', '..', 'bench', 'jitter.mjs')
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [file, '--out', out, ...args], (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, output: stdout + stderr })
    })
  })
}

test('30 clients are cut off, nodes and Redis restart: what is published arrives once and in order, broadcasts do not', async () => {
  const size = ['--clients', '30', '--seconds', '20', '--seed', '1']
  const { code, output } = await jitter(...size, '--contender', 'blaze,broadcast')
  expect({ code, output }).toMatchObject({ code: 0 })
  const { blaze, broadcast } = JSON.parse(readFileSync(out, 'utf8')).results
  expect(blaze).toMatchObject({ published: 400, expected: 12_000, delivered: 12_000, missing: [] })
  expect(blaze).toMatchObject({ outOfOrder: 0, repeated: 0, gaps: 0 })
  // The clients were away, and the test sees what they missed.
  expect(blaze.reconnects).toBeGreaterThan(10)
  expect(broadcast.delivered).toBeLessThan(11_000)
  expect(broadcast).toMatchObject({ outOfOrder: 0, repeated: 0 })
  expect(broadcast.missing).not.toEqual([])
}, 200_000)

test.each([
  [['--seconds', 'long'], '--seconds must be a whole number over 0, got long'],
  [['--contender', 'pigeon'], '--contender must be a list of blaze, socket.io, broadcast, got pigeon']
])('%j is refused with a reason', async (args, reason) => {
  const { code, output } = await jitter(...args)
  expect(code).toBe(1)
  expect(output).toContain(reason)
})
