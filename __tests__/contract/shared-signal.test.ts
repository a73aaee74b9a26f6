import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { ensureDist } from '../support/dist.ts'

beforeAll(() => ensureDist(), 60_000)

// In a process of its own, because tests do not see the warnings of Node.js.
test('one signal may stop the reads and asks of many connections, without a warning of a memory leak', () => {
  const output = execFileSync(process.execPath, [join(__dirname, '..', 'support', 'shared-signal-child.mjs')], {
    encoding: 'utf8',
    timeout: 25_000
  })
  expect(JSON.parse(output)).toEqual({ warnings: [], ends: { read: 20, receive: 20, ask: 20 } })
})
