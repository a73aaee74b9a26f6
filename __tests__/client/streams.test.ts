import { closeServers, eventually } from '../support/server.ts'
import { type Chat, closeAll, next, open, reportsOf, scripted, type Scripted } from './support.ts'
import type { Client, ConnectOptions } from '../../src/client.ts'

afterEach(async () => {
  await closeAll()
  await closeServers()
})

interface Run {
  client: Client<Chat>
  /** Texts and gaps, in the order in which they came. */
  heard: unknown[]
  hellos: unknown[]
}

/** Runs a script for each connection; every script but the last ends by cutting the connection. */
async function run(
  scripts: ((connection: Scripted) => void)[],
  positions: ConnectOptions['positions'] = {}
): Promise<Run> {
  const hellos: unknown[] = []
  const server = await scripted((connection, count) => {
    hellos.push(connection.hello['positions'])
    scripts[count - 1]?.(connection)
    if (count < scripts.length) connection.socket.close(1012)
    else connection.notify('bye')
  })
  const client = open(server.url, { positions })
  const heard: unknown[] = []
  client.on('said', ({ text }, { room, offset }) => heard.push(room === undefined ? text : `${room} ${offset}`))
  client.on('gap', (gap) => heard.push(gap))
  await next(client, 'bye')
  return { client, heard, hellos }
}

test('published messages come with room and offset, and advance the position', async () => {
  const { client, heard } = await run([
    ({ notify, publish }) => {
      notify('rpc.joined', { room: 'a', epoch: 'e', offset: 41 })
      publish('a', 42)
      publish('a', 43)
      notify('said', { text: 'plain' })
    }
  ])
  expect(heard).toEqual(['a 42', 'a 43', 'plain'])
  expect(client.positions).toEqual({ a: { epoch: 'e', offset: 43 } })
})

test('positions are sent on the next connection, and what comes twice is dropped', async () => {
  const { client, heard, hellos } = await run([
    ({ notify, publish }) => {
      notify('rpc.joined', { room: 'a', epoch: 'e', offset: 0 })
      for (const offset of [1, 2, 2, 1, 3]) publish('a', offset)
    },
    ({ notify, publish }) => {
      notify('rpc.joined', { room: 'a', epoch: 'e', offset: 3, recovered: true })
      for (const offset of [3, 4]) publish('a', offset)
    }
  ])
  expect(hellos).toEqual([{}, { a: { epoch: 'e', offset: 3 } }])
  expect(heard).toEqual(['a 1', 'a 2', 'a 3', 'a 4'])
  expect(client.positions).toEqual({ a: { epoch: 'e', offset: 4 } })
})

test('older messages that a server sends again are not heard again', async () => {
  const { client, heard } = await run([
    ({ notify, publish }) => {
      notify('rpc.joined', { room: 'a', epoch: 'e', offset: 0 })
      for (const offset of [1, 2, 3]) publish('a', offset)
    },
    ({ notify, publish }) => {
      notify('rpc.joined', { room: 'a', epoch: 'e', offset: 1 })
      for (const offset of [2, 3, 4]) publish('a', offset)
    }
  ])
  expect(heard).toEqual(['a 1', 'a 2', 'a 3', 'a 4'])
  expect(client.positions['a']?.offset).toBe(4)
})

test('`rpc.joined` sets the position', async () => {
  const { client } = await run([({ notify }) => notify('rpc.joined', { room: 'a', epoch: 'e', offset: 2 })], {
    a: { epoch: 'e', offset: 7 }
  })
  expect(client.positions).toEqual({ a: { epoch: 'e', offset: 2 } })
})

test('a new epoch begins anew, and gaps are told', async () => {
  const { heard, client } = await run(
    [
      ({ notify, publish }) => {
        notify('rpc.joined', { room: 'a', epoch: 'new', offset: 0, recovered: false, reason: 'epoch' })
        publish('a', 1)
        notify('rpc.joined', { room: 'a', epoch: 'new', offset: 5, recovered: false, reason: 'trimmed' })
        publish('a', 6)
        publish('a', 9)
      }
    ],
    { a: { epoch: 'old', offset: 7 } }
  )
  expect(heard).toEqual([
    { room: 'a', reason: 'epoch' },
    'a 1',
    { room: 'a', reason: 'trimmed' },
    'a 6',
    { room: 'a', reason: 'missing' },
    'a 9'
  ])
  expect(client.positions).toEqual({ a: { epoch: 'new', offset: 9 } })
})

test('`rpc.left` forgets the position, so that the same messages may come again', async () => {
  const { heard, client } = await run([
    ({ notify, publish }) => {
      notify('rpc.joined', { room: 'a', epoch: 'e', offset: 0 })
      publish('a', 1)
      notify('rpc.left', { room: 'a' })
      notify('rpc.joined', { room: 'a', epoch: 'e', offset: 0 })
      publish('a', 1)
      notify('rpc.left', { room: 'a' })
    }
  ])
  expect(heard).toEqual(['a 1', 'a 1'])
  expect(client.positions).toEqual({})
})

test('a given position that is none is a gap once the room is joined', async () => {
  const { client, heard, hellos } = await run(
    [
      ({ notify }) => {
        notify('rpc.joined', { room: 'a', epoch: 'e', offset: 3 })
        notify('rpc.joined', { room: 'b', epoch: 'e', offset: 4 })
      }
    ],
    { a: { epoch: 'e', offset: '1' }, b: { epoch: 'e', offset: 4 } } as never
  )
  expect(hellos).toEqual([{ b: { epoch: 'e', offset: 4 } }])
  expect(heard).toEqual([{ room: 'a', reason: 'missing' }])
  expect(client.positions).toEqual({ a: { epoch: 'e', offset: 3 }, b: { epoch: 'e', offset: 4 } })
})

test('the position advances after the listeners, also if one of them throws', async () => {
  const server = await scripted(({ notify, publish }) => {
    notify('rpc.joined', { room: 'a', epoch: 'e', offset: 0 })
    publish('a', 1)
    publish('a', 2)
  })
  const client = open(server.url)
  const seen: unknown[] = []
  const reports = reportsOf()
  client.on('said', () => {
    seen.push(client.positions['a']?.offset)
    throw new Error('thrown by a listener')
  })
  await eventually(() => seen.length === 2)
  expect([seen, reports.length]).toEqual([[0, 1], 2])
  expect(client.positions).toEqual({ a: { epoch: 'e', offset: 2 } })
})

test('the 100 newest positions are kept', async () => {
  const { client, hellos } = await run([
    ({ notify, publish }) => {
      for (let room = 0; room < 100; room++) notify('rpc.joined', { room: `r${room}`, epoch: 'e', offset: 0 })
      publish('r0', 1)
      notify('rpc.joined', { room: 'new', epoch: 'e', offset: 0 })
      notify('rpc.joined', { room: '__proto__', epoch: 'e', offset: 0 })
    },
    ({ publish }) => publish('r1', 1)
  ])
  expect(hellos[1]).not.toHaveProperty('r1')
  const rooms = Object.keys(client.positions)
  expect(rooms).toHaveLength(100)
  expect(hellos[1]).toHaveProperty('r2')
  // A room is back with its first new message.
  expect(rooms).toEqual(expect.arrayContaining(['r0', 'r1', 'new']))
  expect(rooms).not.toContain('r2')
})

test('a room whose position was not sent, because there are too many, tells a gap if messages are missing', async () => {
  const { client, heard, hellos } = await run([
    ({ notify }) => {
      for (let room = 0; room < 104; room++) notify('rpc.joined', { room: `r${room}`, epoch: 'e', offset: 1 })
    },
    ({ notify, publish }) => {
      notify('rpc.joined', { room: 'r0', epoch: 'e', offset: 3 })
      notify('rpc.joined', { room: 'r1', epoch: 'e', offset: 1 })
      notify('rpc.joined', { room: 'r2', epoch: 'new', offset: 0 })
      notify('rpc.joined', { room: 'r3', epoch: 'e', offset: 0 })
      notify('rpc.joined', { room: 'r4', epoch: 'e', offset: 3 })
      notify('rpc.joined', { room: 'r0', epoch: 'e', offset: 4 })
      for (const [room, offset] of Object.entries({ r0: 5, r1: 2, r2: 1, r3: 1, r4: 4 })) publish(room, offset)
    }
  ])
  expect(['r3', 'r4'].map((room) => room in (hellos[1] as object))).toEqual([false, true])
  const gaps = ['r0', 'r2'].map((room) => ({ room, reason: 'missing' }))
  expect(heard).toEqual([...gaps, 'r0 5', 'r1 2', 'r2 1', 'r4 4'])
  expect(client.positions).toMatchObject({ r0: { offset: 5 }, r3: { offset: 1 } })
})

test('positions that no server would take are left out', async () => {
  const { hellos } = await run([() => {}], {
    good: { epoch: 'e', offset: 1 },
    long: { epoch: 'e'.repeat(65), offset: 1 },
    half: { epoch: 'e', offset: 1.5 },
    negative: { epoch: 'e', offset: -1 },
    nothing: null as never,
    text: { epoch: 'e', offset: '1' as never }
  })
  expect(hellos).toEqual([{ good: { epoch: 'e', offset: 1 } }])
})
