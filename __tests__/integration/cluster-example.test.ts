import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { ChatCluster, dropGuests, Guest, listens } from './chat-guests.ts'
import { authorization, TOKEN } from './chat-server.ts'
import { describeInBrowser, launchChromium, whySkipped } from '../support/chromium.ts'
import { eventually } from '../support/server.ts'
import { describeWith, Engine, freePort, NATS, REDIS } from '../cluster/support/engines.ts'

jest.setTimeout(60_000)
afterEach(dropGuests)

let cluster: ChatCluster

describeWith(REDIS, 'the chat on two nodes, over Redis', () => {
  let engine: Engine

  beforeAll(async () => {
    engine = await Engine.redis()
    cluster = await ChatCluster.start({ REDIS_URL: `redis://127.0.0.1:${engine.port}` })
  })

  afterAll(async () => {
    await cluster.close()
    await engine.close()
  })

  test('guests on different nodes see each other, talk, and see each other leave', async () => {
    const ada = await Guest.join(cluster, 'Ada', 'tea')
    const grace = await Guest.join(cluster, 'Grace', 'tea')
    expect((await Promise.all([cluster.status(0), cluster.status(1)])).map(({ node }) => node.people)).toEqual([1, 1])
    await eventually(() => ada.people.size === 2)
    expect(ada.people).toEqual(
      new Map([
        ['ada', 'Ada'],
        ['grace', 'Grace']
      ])
    )
    expect(grace.people).toEqual(
      new Map([
        ['ada', 'Ada'],
        ['grace', 'Grace']
      ])
    )
    await ada.say('Hello Grace')
    await grace.next('said', { text: 'Hello Grace' })
    await grace.say('Hello Ada')
    await ada.next('said', { text: 'Hello Ada' })
    expect(await cluster.status()).toMatchObject({
      nodes: 2,
      isDegraded: false,
      roomList: [{ name: 'tea', members: 2 }]
    })
    await eventually(() => ada.heard.findLast(({ type }) => type === 'rooms')?.rooms[0]?.members === 2)

    // On either node, a newcomer gets the last messages.
    for (const node of [0, 1]) {
      const newcomer = await Guest.join(cluster, `Newcomer ${node}`, 'tea', { node })
      await newcomer.next('said', { text: 'Hello Grace' })
      await newcomer.next('said', { text: 'Hello Ada' })
    }
    grace.client.socket.close()
    await eventually(() => !ada.people.has('grace'))
    expect(ada.moves).toEqual(['Grace joined', 'Newcomer 0 joined', 'Newcomer 1 joined', 'Grace left'])
  })

  test('each guest learns its node, and every node reports the same numbers for the whole chat', async () => {
    const guests = await Promise.all(
      [0, 1, 1].map((node, i) => Guest.join(cluster, `Counted ${i}`, `count ${i}`, { node }))
    )
    expect(guests.map(({ welcome }) => welcome?.node)).toEqual(['Node 1', 'Node 2', 'Node 2'])
    await eventually(async () => (await cluster.status(0)).people === 3, 'the end of the guests of earlier tests')
    const [first, second] = [await cluster.status(0), await cluster.status(1)]
    // The rooms that keep the names of the guests are not counted.
    const roomList = [0, 1, 2].map((i) => ({ name: `count-${i}`, members: 1 }))
    for (const status of [first, second])
      expect(status).toMatchObject({ people: 3, rooms: 3, nodes: 2, missing: 0, roomList })
    expect([first.node, second.node]).toMatchObject([
      { name: 'Node 1', people: 1 },
      { name: 'Node 2', people: 2 }
    ])
  })

  test('typing notices reach the other node, and not the sender', async () => {
    const [ada, bob] = [
      await Guest.join(cluster, 'Ada', 'keys', { node: 0 }),
      await Guest.join(cluster, 'Bob', 'keys', { node: 1 })
    ]
    await eventually(() => ada.people.has('bob') && bob.people.has('ada'))
    ada.client.send('typing', { active: true })
    expect(await bob.next('typing')).toMatchObject({ member: { id: 'ada', name: 'Ada' }, active: true })
    await ada.say('done')
    await ada.next('said', { text: 'done' })
    expect(ada.heard.some(({ type }) => type === 'typing')).toBe(false)
  })

  test('a guest that moves to another node is not reported as left, even if its room on the old node is empty', async () => {
    const feed = await Guest.connect(cluster, { node: 0, path: '/admin/feed', headers: authorization })
    const first = await Guest.join(cluster, 'Mover', 'moving', { node: 0 })
    first.client.socket.terminate()
    await Guest.join(cluster, 'Mover', 'moving', { node: 1 })
    const later = await Guest.join(cluster, 'Later', 'elsewhere', { node: 0 })
    later.client.socket.terminate()
    await eventually(() => feed.moves.includes('Later left'))
    expect(feed.moves).not.toContain('Mover left')
  })

  test('many guests who join both nodes at once all see each other', async () => {
    const names = Array.from({ length: 24 }, (_, i) => `Guest ${i}`)
    const guests = await Promise.all(names.map((name, i) => Guest.join(cluster, name, 'rush', { node: i % 2 })))
    await eventually(() => guests.every(({ people }) => people.size === names.length), 'every guest in every list')
  })

  test('a name belongs to one guest in the whole cluster, who may take it to another node', async () => {
    const first = await Guest.join(cluster, 'Keeper', 'names', { node: 0, key: 'mine' })
    const watchers = [
      await Guest.join(cluster, 'Watcher 0', 'names', { node: 0 }),
      await Guest.join(cluster, 'Watcher 1', 'names', { node: 1 })
    ]
    for (const node of [0, 1]) {
      const thief = await Guest.connect(cluster, { node, key: 'another key' })
      await expect(thief.join('KEEPER', 'elsewhere')).rejects.toThrow(
        'refused: The name KEEPER is taken. Please choose another.'
      )
    }
    await eventually(() => watchers[0]!.people.has('watcher 1'))
    const moves = watchers.map((watcher) => watcher.moves)
    const second = await Guest.join(cluster, 'Keeper', 'names', { node: 1, key: 'mine' })
    expect(await first.client.close()).toEqual({ code: 4410, reason: 'continued elsewhere' })
    await second.say('still here')
    await Promise.all(watchers.map((watcher) => watcher.next('said', { text: 'still here' })))
    expect(watchers.map((watcher) => watcher.moves)).toEqual(moves)
  })

  test('if two guests on different nodes ask for a name at the same moment, one gets it', async () => {
    for (let i = 0; i < 10; i++) {
      const twins = await Promise.all([0, 1].map((node) => Guest.connect(cluster, { node, key: `key ${node}` })))
      const refused = new Set<Guest>()
      const joins = twins.map((twin) =>
        twin.join(`Twin ${i}`, 'twins').catch(({ message }: Error) => {
          if (message.includes('is taken')) refused.add(twin)
        })
      )
      const hasLost = (twin: Guest): boolean => twin.client.closed?.code === 4409 || refused.has(twin)
      await eventually(() => twins.some(hasLost), 'the refusal of one guest')
      await Promise.all(joins)
      const winner = twins.find((twin) => !hasLost(twin))
      await winner?.say('it is me')
      await winner?.next('said', { text: 'it is me' })
      expect(twins.filter(hasLost)).toHaveLength(1)
    }
  })

  test("an operator's actions reach all nodes", async () => {
    const { ticket } = (await (await cluster.post('/admin/ticket', {}, authorization, 0)).json()) as { ticket: string }
    const feed = await Guest.connect(cluster, { node: 1, path: `/admin/feed?ticket=${ticket}` })
    await Guest.join(cluster, 'Quiet one', 'pub', { node: 1 })
    for (const node of [0, 1]) {
      const name = `Rowdy ${node}`
      const rowdy = await Guest.join(cluster, name, 'pub', { node })
      await feed.next('joined', { room: 'pub' })
      expect((await cluster.post('/admin/kick', { name: name.toUpperCase() }, authorization, 1 - node)).status).toBe(
        200
      )
      expect(await rowdy.client.close()).toEqual({ code: 4403, reason: 'removed by an operator' })
      expect((await cluster.post('/admin/kick', { name }, authorization, 1 - node)).status).toBe(404)
      await eventually(() => feed.moves.includes(`${name} left`))
    }
    expect(feed.movesIn('pub')).toEqual([
      'Quiet one joined',
      'Rowdy 0 joined',
      'Rowdy 0 left',
      'Rowdy 1 joined',
      'Rowdy 1 left'
    ])
    const guests = await Promise.all(
      [0, 1].map((node) => Guest.join(cluster, `Listener ${node}`, `side ${node}`, { node }))
    )
    const { receivers } = (await (await cluster.post('/broadcast', { message: 'Last orders' })).json()) as {
      receivers: number
    }
    expect(receivers).toBe(3)
    await Promise.all(guests.map((guest) => guest.next('announcement', { text: 'Last orders' })))
    await feed.next('announcement', { text: 'Last orders' })
  })

  test('while the engine is down, each node works on its own', async () => {
    const [ada, bob, grace] = [
      await Guest.join(cluster, 'Ada', 'storm', { node: 0 }),
      await Guest.join(cluster, 'Bob', 'storm', { node: 0 }),
      await Guest.join(cluster, 'Grace', 'storm', { node: 1 })
    ]
    await engine.signal('SIGKILL')
    await Promise.all([ada, grace].map((guest) => guest.next('notice')))
    await expect(ada.say('anybody?')).rejects.toThrow('Your message could not be stored.')
    ada.client.send('typing', { active: true })
    await bob.next('typing')
    const late = await Guest.join(cluster, 'Late', 'storm', { node: 1 })
    expect([...late.people.keys()].toSorted()).toEqual(['ada', 'bob', 'grace', 'late'])
    expect(await cluster.status(0)).toMatchObject({ isDegraded: true })
    await engine.start()
    await eventually(async () =>
      (await Promise.all([cluster.status(0), cluster.status(1)])).every(({ isDegraded }) => !isDegraded)
    )
    await eventually(() => ada.people.has('late'))
    await grace.say('back again')
    await ada.next('said', { text: 'back again' })
    expect(grace.heard.some(({ text }) => text === 'anybody?')).toBe(false)
  })

  test('a killed node is restarted, and its guests can rejoin on the other node', async () => {
    const ada = await Guest.join(cluster, 'Ada', 'crash', { node: 0 })
    const [bob, carol] = [
      await Guest.join(cluster, 'Bob', 'crash', { node: 1 }),
      await Guest.join(cluster, 'Carol', 'crash', { node: 1 })
    ]
    const [, { pid } = { pid: 0 }] = cluster.nodes
    process.kill(pid, 'SIGKILL')
    await Promise.all([bob.client.close(), carol.client.close()])
    // Through the balancer, before any node has noticed the loss of her old connection.
    const again = await Guest.join(cluster, 'Carol', 'crash')
    await eventually(() => cluster.nodes[1]?.pid !== pid, 'the restart')
    expect(cluster.output).toContain('Node 2 has ended with SIGKILL and is started again.\n')
    await eventually(() => !ada.people.has('bob'))
    expect(ada.moves).toEqual(['Bob joined', 'Carol joined', 'Bob left'])
    await again.say('that was short')
    await ada.next('said', { text: 'that was short' })
    await Guest.join(cluster, 'Bob', 'crash', { node: 1 })
    await eventually(() => ada.people.has('bob'))
  })

  describeInBrowser(`in a browser${whySkipped}`, () => {
    let browser: Browser

    beforeAll(async () => {
      browser = await launchChromium()
    })

    afterAll(() => browser?.close())

    async function enter(name: string): Promise<Page> {
      const page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage()
      await page.goto(cluster.http('/'))
      await page.getByLabel('Your name').fill(name)
      await page.getByRole('button', { name: 'Join the chat' }).click()
      await page.locator('#state[data-state=online]').waitFor()
      return page
    }

    const sees = (page: Page, text: string): Promise<void> => page.getByRole('log').getByText(text).first().waitFor()
    const people = (page: Page): Promise<string[]> => page.locator('#people .person').allInnerTexts()

    test('two pages chat, and reconnect when the node of one is killed', async () => {
      const [ada, grace] = [await enter('Ada'), await enter('Grace')]
      await Promise.all([sees(ada, 'Grace joined'), sees(grace, 'You joined')])
      for (const [page, text] of [
        [ada, 'Hello Grace'],
        [grace, 'Hello Ada']
      ] as const) {
        await page.getByLabel('Message', { exact: true }).fill(text)
        await page.keyboard.press('Enter')
        await Promise.all([sees(ada, text), sees(grace, text)])
      }
      expect(await Promise.all([ada, grace].map((page) => page.locator('#node').innerText()))).toEqual(
        expect.arrayContaining(['Node 1', 'Node 2'].map((name) => expect.stringContaining(name)))
      )
      const guests = await Promise.all([0, 1].map(async (node) => (await cluster.status(node)).node.people))
      process.kill(cluster.nodes[guests.findIndex((count) => count > 0)]!.pid, 'SIGKILL')
      await Promise.race([ada, grace].map((page) => sees(page, 'Back again')))
      await eventually(
        async () => (await Promise.all([people(ada), people(grace)])).join(';') === 'Ada,Grace;Ada,Grace'
      )
      const httpCredentials = { username: '', password: TOKEN }
      const operator = await (await browser.newContext({ httpCredentials })).newPage()
      await operator.goto(cluster.http('/status'))
      await eventually(async () => (await operator.locator('#nodes tr[data-state=answers]').count()) === 2, 'two nodes')
      await eventually(async () => (await operator.locator('[data-total=open]').innerText()) === '2', 'two guests')
      if (process.env['CHAT_SCREENSHOT'] !== undefined) await ada.screenshot({ path: process.env['CHAT_SCREENSHOT'] })
    })
  })
})

describeWith(REDIS, 'a grace period before a guest counts as gone, on two nodes', () => {
  let engine: Engine

  beforeAll(async () => {
    engine = await Engine.redis()
    // Longer than any test, so that returns are silent even on a slow machine.
    cluster = await ChatCluster.start({ REDIS_URL: `redis://127.0.0.1:${engine.port}`, CHAT_GRACE: '60000' })
  })

  afterAll(async () => {
    await cluster.close()
    await engine.close()
  })

  const watch = (room: string): Promise<Guest[]> =>
    Promise.all([0, 1].map((node) => Guest.join(cluster, `Watcher ${node}`, room, { node })))

  test('a return on the other node is silent, and newcomers meanwhile still see the guest listed', async () => {
    const watchers = await watch('move')
    const ada = await Guest.join(cluster, 'Ada', 'move', { node: 0 })
    await eventually(() => watchers.every(({ people }) => people.size === 3))
    ada.client.socket.terminate()
    await eventually(async () => (await cluster.status(1)).people === 2)
    const newcomer = await Guest.join(cluster, 'Newcomer', 'move', { node: 1 })
    expect([...newcomer.people.keys()].toSorted()).toEqual(['ada', 'newcomer', 'watcher 0', 'watcher 1'])
    await Guest.join(cluster, 'Ada', 'move', { node: 1 })
    const isBack = ({ heard }: Guest): boolean =>
      heard.some(({ type, member, quiet }) => type === 'joined' && member.id === 'ada' && quiet)
    await eventually(() => [...watchers, newcomer].every(isBack))
    expect([...watchers, newcomer].flatMap(({ moves }) => moves)).not.toContain('Ada left')
  })

  test('a guest that is back on another node stays when its old node stops', async () => {
    const ada = await Guest.join(cluster, 'Ada', 'killed', { node: 0 })
    const bob = await Guest.join(cluster, 'Bob', 'killed', { node: 1 })
    await ada.next('joined')
    const { pid } = cluster.nodes[1]!
    process.kill(pid, 'SIGTERM')
    await bob.client.close()
    await Guest.join(cluster, 'Bob', 'killed', { node: 0 })
    await eventually(() => cluster.nodes[1]?.pid !== pid, 'the restart')
    expect(ada.moves.filter((move) => move === 'Bob left')).toEqual([])
  })

  test('a guest that leaves on purpose, for good or for another room, is gone at once on both nodes', async () => {
    const watchers = await watch('farewell')
    const [ada, bob] = [
      await Guest.join(cluster, 'Ada', 'farewell', { node: 0 }),
      await Guest.join(cluster, 'Bob', 'farewell', { node: 1 })
    ]
    await eventually(() => watchers.every(({ people }) => people.size === 4))
    ada.client.send('leave')
    await bob.join('Bob', 'elsewhere')
    await eventually(() => watchers.every(({ people }) => people.size === 2))
  })
})

describeWith(NATS, 'the chat on two nodes, over NATS', () => {
  test('guests on both nodes talk', async () => {
    const engine = await Engine.nats()
    cluster = await ChatCluster.start({ NATS_URL: `nats://127.0.0.1:${engine.port}` })
    const [ada, grace] = [
      await Guest.join(cluster, 'Ada', 'tea', { node: 0 }),
      await Guest.join(cluster, 'Grace', 'tea', { node: 1 })
    ]
    await ada.next('joined')
    await grace.say('Hello Ada')
    await ada.next('said', { text: 'Hello Ada' })
    const closed = [ada, grace].map(({ client }) => client.close())
    expect(await cluster.close()).toBe(0)
    expect(await Promise.all(closed)).toEqual([0, 1].map(() => ({ code: 1001, reason: 'server restarts' })))
    await engine.close()
  })
})

describe('the start of the cluster', () => {
  test('names the missing engine in one line', async () => {
    // An engine that already runs here would do.
    if ((await listens(6379)) || (await listens(4222))) return
    cluster = await ChatCluster.spawn({ PATH: '/nonexistent' })
    expect((await cluster.exited)[0]).toBe(1)
    expect(cluster.output).toMatch(/^Two nodes need Redis or NATS between them: install .*\n$/)
  })

  test('ends an engine that it has started when it ends', async () => {
    if (!(REDIS.isThere || NATS.isThere) || (await listens(6379)) || (await listens(4222))) return
    cluster = await ChatCluster.start({})
    const port = Number(/^Between them: .*:(\d+)$/m.exec(cluster.output)?.[1])
    expect(await listens(port)).toBe(true)
    expect((await cluster.status()).nodes).toBe(2)
    expect(await cluster.close()).toBe(0)
    expect(await listens(port)).toBe(false)
  })
})

test('the balancer takes turns and skips a target that refuses', async () => {
  const program = `
    import { once } from 'node:events'
    import { createServer, get } from 'node:http'
    import { text } from 'node:stream/consumers'
    import { Balancer } from '${join(__dirname, '../../example-app/balancer.js')}'
    const servers = await Promise.all(['a', 'b'].map(async (name) => {
      const server = createServer((_, reply) => reply.end(name)).listen(0, '127.0.0.1')
      await once(server, 'listening')
      return server
    }))
    const balancer = new Balancer()
    const port = await balancer.listen(0, '127.0.0.1')
    const ask = () => new Promise((resolve) => {
      get({ port, host: '127.0.0.1', agent: false }, (reply) => resolve(text(reply))).on('error', () => resolve('none'))
    })
    const answers = [await ask()]
    balancer.add(${await freePort()})
    for (const server of servers) balancer.add(server.address().port)
    for (let i = 0; i < 6; i++) answers.push(await ask())
    balancer.remove(servers[0].address().port)
    answers.push(await ask(), await ask())
    await balancer.close()
    for (const server of servers) server.close()
    console.log(answers.join(' '))`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    timeout: 20_000
  })
  expect(stderr).toBe('')
  expect(stdout).toMatch(/^none (a a b|a b a|b a a) \1 b b\n$/)
})
