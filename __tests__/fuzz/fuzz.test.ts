import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { ensureDist } from '../support/dist.ts'

/** Cases that once failed, in the form that a run prints after `--only`: `stream:123` or `handshake:456`. */
const REGRESSIONS: string[] = []

beforeAll(() => ensureDist(), 60_000)

/** Runs the fuzzer and returns its output. */
async function fuzz(...options: string[]): Promise<string> {
  const child = spawn(process.execPath, [join(__dirname, 'run.mjs'), ...options], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  await once(child, 'close')
  return output
}

test('20 000 frames and 1 000 handshakes are answered as RFC 6455 requires', async () => {
  expect(await fuzz('--frames', '20000', '--handshakes', '1000', '--seed', '1')).toMatch(/\nno findings\n$/)
}, 120_000)

test('earlier findings do not occur again', async () => {
  const only = REGRESSIONS.flatMap((name) => ['--only', name])
  expect(await fuzz('--frames', '0', '--handshakes', '0', ...only)).toMatch(/\nno findings\n$/)
}, 60_000)
