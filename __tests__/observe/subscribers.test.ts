import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { ensureDist } from '../support/dist.ts'

test('subscribers that throw do not harm connections, and get the messages of both copies of the package', () => {
  ensureDist()
  const { status, stderr } = spawnSync(process.execPath, [join(__dirname, 'observed-child.mjs')], { encoding: 'utf8' })
  expect([status, stderr]).toEqual([0, ''])
})
