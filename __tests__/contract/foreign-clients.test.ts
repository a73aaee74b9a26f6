import { execFile, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { JSONRPCClient, JSONRPCServer, JSONRPCServerAndClient } from 'json-rpc-2.0'
import { Client } from 'rpc-websockets'
import { closeServers, connect, startServer } from '../support/server.ts'
import { call, event, frame, talk } from './support.ts'

/*
 * Clients of others work unchanged: they know JSON-RPC and nothing of this package.
 */

afterEach(closeServers)

const run = promisify(execFile)
const text = { text: 'x' }

/** The URL of a route that answers each event with one, and asks the client in the call `echo`. */
async function start(): Promise<string> {
  const server = await startServer((app) => {
    app.webSocketWithContract(
      '/talk',
      talk,
      async (ws) => {
        for await (const { type, data } of ws) if (type === 'say') await ws.send('said', data)
      },
      {
        calls: {
          echo: (input, ws) => ws.ask('confirm', input),
          rename(_input, _ws, { fail }) {
            throw fail('taken', 'somebody has it')
          },
          nothing: () => undefined
        }
      }
    )
  })
  return server.ws('/talk')
}

test('json-rpc-2.0 as client and server on one socket', async () => {
  const { socket } = await connect(await start())
  const peer = new JSONRPCServerAndClient(
    new JSONRPCServer(),
    new JSONRPCClient((request) => socket.send(JSON.stringify(request)))
  )
  const said = new Promise((resolve) => peer.addMethod('said', resolve))
  peer.addMethod('confirm', ({ text }: { text: string }) => ({ text: `${text}!` }))
  socket.on('message', (data: Buffer) => void peer.receiveAndSend(JSON.parse(data.toString())))

  peer.notify('say', text)
  expect(await said).toEqual(text)
  expect(await peer.request('echo', text)).toEqual({ text: 'x!' })
  expect(await peer.request('nothing', undefined)).toBeNull()
  await expect(peer.request('rename', text)).rejects.toMatchObject({ code: -32_000, data: { code: 'taken' } })
  await expect(peer.request('unknown', text)).rejects.toMatchObject({ code: -32_601 })
  await expect(peer.request('echo', {})).rejects.toMatchObject({ code: -32_602 })
})

test('json-rpc-2.0 calls in a batch', async () => {
  const { socket } = await connect(await start())
  const client: JSONRPCClient = new JSONRPCClient((request) => socket.send(JSON.stringify(request)))
  socket.on('message', (data: Buffer) => client.receive(JSON.parse(data.toString())))
  const answers = await client.requestAdvanced([
    { jsonrpc: '2.0', id: 1, method: 'nothing' },
    { jsonrpc: '2.0', id: 2, method: 'unknown' }
  ])
  expect(answers).toMatchObject([
    { id: 1, result: null },
    { id: 2, error: { code: -32_601 } }
  ])
})

test('rpc-websockets', async () => {
  const client = new Client(await start(), { reconnect: false })
  await new Promise((resolve) => client.once('open', resolve))
  const said = new Promise((resolve) => client.once('said', resolve))
  await client.notify('say', text)
  expect(await said).toEqual(text)
  expect(await client.call('nothing')).toBeNull()
  await expect(client.call('rename', text)).rejects.toMatchObject({ code: -32_000, data: { code: 'taken' } })
  await expect(client.call('unknown', text)).rejects.toMatchObject({ code: -32_601 })
  const closed = new Promise((resolve) => client.once('close', resolve))
  client.close()
  await closed
})

const python = ['python3', '/usr/bin/python3'].find(
  (command) => spawnSync(command, ['-c', 'import websockets']).status === 0
)
const describePython = python === undefined ? describe.skip : describe

describePython("Python's websockets (skipped where it is missing: apt-get install python3-websockets)", () => {
  test('an event, a call, an ask and an error', async () => {
    const script = join(__dirname, '..', 'support', 'rpc_client.py')
    const { stdout } = await run(python as string, [script, await start()], { timeout: 25_000 })
    expect(JSON.parse(stdout)).toEqual([
      event('said', { text: 'hi' }),
      call('s1', 'confirm', text),
      frame({ id: 1, result: { text: 'yes' } }),
      frame({ id: 2, error: { code: -32_000, message: 'somebody has it', data: { code: 'taken' } } })
    ])
  })
})
