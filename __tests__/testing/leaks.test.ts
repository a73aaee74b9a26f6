import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ensureDist } from '../support/dist.ts'

beforeAll(() => ensureDist(), 60_000)

test('clients are not kept after their end, and open ones do not keep the process alive', async () => {
  const child = join(__dirname, '..', 'support', 'test-client-child.mjs')
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', child], { timeout: 25_000 })
  const { ends, kept, resources } = JSON.parse(stdout) as { ends: number; kept: number; resources: string[] }
  expect(ends).toBe(200)
  // The last ones may still be in variables of Node.js.
  expect(kept).toBeLessThan(10)
  expect(resources).toEqual([])
})
