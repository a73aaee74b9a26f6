import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { ensureDist } from '../support/dist.ts'
import { connect } from '../support/server.ts'

beforeAll(() => ensureDist(), 60_000)

// A minute is longer than these tests may take.
test.each([0, 1, 3])('a process with %i clients ends once the last of them has left', async (count) => {
  const child = fork(join(__dirname, '..', 'support', 'spread-child.mjs'), { stdio: 'inherit' })
  const [{ port }] = (await once(child, 'message')) as [{ port: number }]
  const clients = []
  while (clients.length < count) clients.push(await connect(`ws://127.0.0.1:${port}/ws`))
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  if (count > 0) await Promise.race(clients.map((client) => client.close()))
  for (const { socket } of clients) socket.terminate()
  expect(await exited).toEqual([0, null])
})
