import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { ensureDist } from '../support/dist.ts'

/*
 * The choice between bufferutil and JavaScript is made when the module is loaded, so each is tested in a process of its own.
 */

beforeAll(() => ensureDist(), 60_000)

const check = (environment: Record<string, string>): string =>
  execFileSync(process.execPath, [join(__dirname, '..', 'support', 'masking-child.mjs')], {
    env: { ...process.env, ...environment },
    encoding: 'utf8'
  })

test.each<[implementation: string, environment: Record<string, string>]>([
  ['JavaScript', { WS_NO_BUFFER_UTIL: '1' }],
  ['bufferutil', {}]
])('%s unmasks all lengths at all alignments, in one part or in several', (implementation, environment) => {
  expect(check(environment)).toBe(`${implementation}: right\n`)
})
