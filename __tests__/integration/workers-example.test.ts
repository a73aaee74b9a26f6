import { spawnSync } from 'node:child_process'
import { eventually } from '../support/server.ts'
import type { ChatClient } from './chat-client.ts'
import { ChatServer, root } from './chat-server.ts'

interface Welcome {
  node: string
}

let server: ChatServer
// Without an engine, and longer than the test, so that nobody counts as gone.
const environment = { REDIS_URL: '', NATS_URL: '', CHAT_GRACE: '60000' }
beforeAll(async () => {
  server = await ChatServer.start(environment, ['--workers', '2'])
}, 60_000)
afterAll(() => server?.stop('SIGKILL'))

/** The pids of the workers as they are now: a later line replaces an earlier one. */
const pids = (): Map<string, number> =>
  new Map([...server.output.matchAll(/^(Worker \d): pid (\d+)$/gm)].map(([, name = '', pid]) => [name, Number(pid)]))

/** Joins the room through a worker. The workers take connections in turn. */
async function joinOn(worker: string, name: string): Promise<ChatClient> {
  for (;;) {
    const client = await server.connect('/ws', { key: name })
    const { node } = await client.call<Welcome>('join', { name, room: 'tea' })
    if (node === worker) return client
    client.send('leave')
    await client.close()
  }
}

test('guests of both workers talk; a killed worker is replaced, and costs those of the other nothing', async () => {
  const [ada, bob] = [await joinOn('Worker 1', 'Ada'), await joinOn('Worker 2', 'Bob')]
  await ada.speak('Hello Bob')
  expect(await bob.nextOf('said')).toMatchObject({ text: 'Hello Bob', from: { name: 'Ada' } })
  expect(await server.status()).toMatchObject({ nodes: 2, people: 2, isDegraded: false })

  const killed = pids().get('Worker 2') as number
  process.kill(killed, 'SIGKILL')
  expect(await bob.close()).toMatchObject({ code: 1006 })
  await eventually(() => pids().get('Worker 2') !== killed, 'the replacement')
  expect(server.output).toContain('Worker 2 has ended with SIGKILL and is started again.\n')
  const again = await joinOn('Worker 2', 'Bob')
  await ada.speak('Welcome back')
  expect(await again.nextOf('said')).toMatchObject({ text: 'Welcome back' })
  await again.call('say', { text: 'That was short' })
  expect(await ada.nextOf('said', ['left', 'notice'])).toMatchObject({ text: 'That was short' })

  const closed = [ada, again].map((client) => client.close())
  // Throws if the exit code is not 0.
  await server.stop('SIGTERM')
  expect(await Promise.all(closed)).toEqual([1, 2].map(() => ({ code: 1001, reason: 'server restarts' })))
})

test.each(['0', 'many'])('--workers %s is refused', (count) => {
  const { status, stderr } = spawnSync(process.execPath, ['example-app/server.js', '--workers', count], {
    cwd: root,
    encoding: 'utf8'
  })
  expect([status, stderr]).toEqual([1, '--workers must be a number from 1 to 128.\n'])
})
