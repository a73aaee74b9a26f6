import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from '../cluster/support/engines.ts'
import { ensureDist } from '../support/dist.ts'
import { eventually } from '../support/server.ts'

const run = promisify(execFile)
const root = join(__dirname, '../..')
const dockerfile = readFileSync(join(root, 'example-app/Dockerfile'), 'utf8')
const [, install = ''] = /^RUN npm install (.*)$/m.exec(dockerfile) ?? []
const [, command = '[]'] = /^CMD (\[.*\])$/m.exec(dockerfile) ?? []
const wanted = install.split(' ').filter((word) => word.includes('@'))

let folder: string
beforeAll(async () => {
  ensureDist()
  folder = mkdtempSync(join(tmpdir(), 'container-'))
  // The test has built the package already.
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: root })
  const [packed = ''] = readdirSync(folder)
  renameSync(join(folder, packed), join(folder, 'fastify-blaze-ws.tgz'))
}, 60_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('the container has the versions that the tests have', () => {
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    devDependencies: Record<string, string>
  }
  expect(wanted.length).toBeGreaterThan(3)
  for (const word of wanted) {
    const [, name = '', major] = /^(.+)@(\d+)$/.exec(word) ?? []
    expect([name, devDependencies[name]?.split('.')[0]]).toEqual([name, major])
  }
})

test('what the container copies and installs is enough for the chat', async () => {
  await run('npm', ['install', '--prefer-offline', ...install.split(' ')], { cwd: folder })
  const [, ...args] = JSON.parse(command) as string[]
  const port = await freePort()
  const child = spawn(process.execPath, args, {
    cwd: folder,
    env: { PATH: process.env.PATH, NODE_ENV: 'production', PORT: String(port) },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const get = async (path: string): Promise<Response> => fetch(`http://127.0.0.1:${port}${path}`)
  try {
    // Without a package that it needs, it ends at once.
    await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
    expect(child.exitCode).toBeNull()
    expect(await (await get('/health/live')).json()).toMatchObject({ isReady: true, connections: 0 })
    expect((await get('/health/ready')).status).toBe(200)
    expect((await get('/modules/client.js')).status).toBe(200)
  } finally {
    child.kill('SIGTERM')
  }
  await eventually(() => child.exitCode !== null)
  expect(child.exitCode).toBe(0)
  expect(readdirSync(join(folder, 'node_modules'))).not.toContain('typescript')
}, 60_000)
