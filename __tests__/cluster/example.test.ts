import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { authorization, ChatCluster, dropGuests, Guest, listens } from '../integration/chat-guests.ts'
import { describeInBrowser, launchChromium, whySkipped } from '../support/chromium.ts'
import { eventually } from '../support/server.ts'
import { describeWith, Engine, freePort, NATS, REDIS } from './support/engines.ts'

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

  test('two whom the balancer has sent to different nodes see each other, talk, and hear who leaves', async () => {
    const ada = await Guest.join(cluster, 'Ada', 'tea')
    const grace = await Guest.join(cluster, 'Grace', 'tea')
    expect((await Promise.all([cluster.status(0), cluster.status(1)])).map(({ node }) => node.people)).toEqual([1, 1])
    await eventually(() => ada.people.size === 2)
    expect(ada.people).toEqual(new Map([['ada', 'Ada'], ['grace', 'Grace']]))
    expect(grace.people).toEqual(new Map([['ada', 'Ada'], ['grace', 'Grace']]))
    ada.say('Hello Grace')
    await grace.next('message', { text: 'Hello Grace' })
    grace.say('Hello Ada')
    await ada.next('message', { text: 'Hello Ada' })
    expect(await cluster.status()).toMatchObject({ nodes: 2, isDegraded: false, roomList: [{ name: 'tea', members: 2 }] })
    await eventually(() => ada.heard.findLast(({ type }) => type === 'rooms')?.rooms[0]?.members === 2)

    // On either node, a newcomer sees what was said.
    for (const node of [0, 1]) {
      const newcomer = await Guest.join(cluster, `Newcomer ${node}`, 'tea', { node })
      expect((await newcomer.next('welcome')).history.map(({ text }) => text)).toEqual(['Hello Grace', 'Hello Ada'])
    }
    grace.client.socket.close()
    await eventually(() => !ada.people.has('grace'))
    expect(ada.moves).toEqual(['Grace joined', 'Newcomer 0 joined', 'Newcomer 1 joined', 'Grace left'])
  })

  test('of many who come at once, to both nodes, nobody misses anybody', async () => {
    const names = Array.from({ length: 24 }, (_, i) => `Guest ${i}`)
    const guests = await Promise.all(names.map((name, i) => Guest.join(cluster, name, 'rush', { node: i % 2 })))
    await eventually(() => guests.every(({ people }) => people.size === names.length), 'everybody in everybody’s list')
  })

  test('a name is one guest’s in the whole cluster, who may take it along to another node', async () => {
    const first = await Guest.join(cluster, 'Keeper', 'names', { node: 0, key: 'mine' })
    const watchers = [await Guest.join(cluster, 'Watcher 0', 'names', { node: 0 }), await Guest.join(cluster, 'Watcher 1', 'names', { node: 1 })]
    for (const node of [0, 1]) {
      const thief = await Guest.connect(cluster, node)
      thief.send({ type: 'join', name: 'KEEPER', room: 'elsewhere', key: 'another key' })
      expect((await thief.next('error')).text).toBe('The name KEEPER is taken. Please choose another.')
    }
    await eventually(() => watchers[0]!.people.has('watcher 1'))
    const moves = watchers.map((watcher) => watcher.moves)
    const second = await Guest.join(cluster, 'Keeper', 'names', { node: 1, key: 'mine' })
    expect(await first.client.close()).toEqual({ code: 4000, reason: 'continued elsewhere' })
    second.say('still here')
    await Promise.all(watchers.map((watcher) => watcher.next('message', { text: 'still here' })))
    expect(watchers.map((watcher) => watcher.moves)).toEqual(moves)
  })

  test('of two who want a name at the same moment, on different nodes, one gets it', async () => {
    for (let i = 0; i < 10; i++) {
      const twins = await Promise.all([0, 1].map((node) => Guest.connect(cluster, node)))
      for (const [node, twin] of twins.entries()) twin.send({ type: 'join', name: `Twin ${i}`, room: 'twins', key: `key ${node}` })
      const hasLost = ({ client, heard }: Guest): boolean => client.closed?.code === 4002 || heard.some(({ type }) => type === 'error')
      await eventually(() => twins.some(hasLost), 'that one is refused')
      const winner = twins.find((twin) => !hasLost(twin))
      await winner?.next('welcome')
      winner?.say('it is me')
      await winner?.next('message', { text: 'it is me' })
      expect(twins.filter(hasLost)).toHaveLength(1)
    }
  })

  test('what an operator does reaches all nodes', async () => {
    const { ticket } = (await (await cluster.post('/admin/ticket', {}, authorization, 0)).json()) as { ticket: string }
    const feed = await Guest.connect(cluster, 1, `/admin/feed?ticket=${ticket}`)
    await Guest.join(cluster, 'Quiet one', 'pub', { node: 1 })
    for (const node of [0, 1]) {
      const name = `Rowdy ${node}`
      const rowdy = await Guest.join(cluster, name, 'pub', { node })
      await feed.next('joined', { room: 'pub' })
      expect((await cluster.post('/admin/kick', { name: name.toUpperCase() }, authorization, 1 - node)).status).toBe(200)
      expect(await rowdy.client.close()).toEqual({ code: 4001, reason: 'removed by an operator' })
      expect((await cluster.post('/admin/kick', { name }, authorization, 1 - node)).status).toBe(404)
      await eventually(() => feed.moves.includes(`${name} left`))
    }
    expect(feed.moves).toEqual(['Quiet one joined', 'Rowdy 0 joined', 'Rowdy 0 left', 'Rowdy 1 joined', 'Rowdy 1 left'])
    const guests = await Promise.all([0, 1].map((node) => Guest.join(cluster, `Listener ${node}`, `side ${node}`, { node })))
    const { receivers } = (await (await cluster.post('/broadcast', { message: 'Last orders' })).json()) as { receivers: number }
    expect(receivers).toBe(3)
    await Promise.all(guests.map((guest) => guest.next('announcement', { text: 'Last orders' })))
    await feed.next('announcement', { text: 'Last orders' })
  })

  test('while the engine is away, each node goes on by itself', async () => {
    const [ada, bob, grace] = [
      await Guest.join(cluster, 'Ada', 'storm', { node: 0 }),
      await Guest.join(cluster, 'Bob', 'storm', { node: 0 }),
      await Guest.join(cluster, 'Grace', 'storm', { node: 1 })
    ]
    await engine.signal('SIGKILL')
    await Promise.all([ada, grace].map((guest) => guest.next('notice')))
    ada.say('anybody?')
    await bob.next('message', { text: 'anybody?' })
    const late = await Guest.join(cluster, 'Late', 'storm', { node: 1 })
    expect([...late.people.keys()].toSorted()).toEqual(['ada', 'bob', 'grace', 'late'])
    expect(await cluster.status(0)).toMatchObject({ isDegraded: true })
    await engine.start()
    await eventually(async () => (await Promise.all([cluster.status(0), cluster.status(1)])).every(({ isDegraded }) => !isDegraded))
    await eventually(() => ada.people.has('late'))
    grace.say('back again')
    await ada.next('message', { text: 'back again' })
    expect(grace.heard.some(({ text }) => text === 'anybody?')).toBe(false)
  })

  test('a node that dies takes its guests along, who come back on the other, and is started again', async () => {
    const ada = await Guest.join(cluster, 'Ada', 'crash', { node: 0 })
    const [bob, carol] = [await Guest.join(cluster, 'Bob', 'crash', { node: 1 }), await Guest.join(cluster, 'Carol', 'crash', { node: 1 })]
    const [, { pid } = { pid: 0 }] = cluster.nodes
    process.kill(pid, 'SIGKILL')
    await Promise.all([bob.client.close(), carol.client.close()])
    // Through the balancer, before anybody has missed her old connection.
    const again = await Guest.join(cluster, 'Carol', 'crash')
    await eventually(() => cluster.nodes[1]?.pid !== pid, 'the restart')
    expect(cluster.output).toContain('Node 2 has ended with SIGKILL and is started again.\n')
    await eventually(() => !ada.people.has('bob'))
    expect(ada.moves).toEqual(['Bob joined', 'Carol joined', 'Bob left'])
    again.say('that was short')
    await ada.next('message', { text: 'that was short' })
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

    test('two pages chat, and go on chatting when the node of one dies', async () => {
      const [ada, grace] = [await enter('Ada'), await enter('Grace')]
      await Promise.all([sees(ada, 'Grace joined'), sees(grace, 'You joined')])
      for (const [page, text] of [[ada, 'Hello Grace'], [grace, 'Hello Ada']] as const) {
        await page.getByLabel('Message', { exact: true }).fill(text)
        await page.keyboard.press('Enter')
        await Promise.all([sees(ada, text), sees(grace, text)])
      }
      const guests = await Promise.all([0, 1].map(async (node) => (await cluster.status(node)).node.people))
      process.kill(cluster.nodes[guests.findIndex((count) => count > 0)]!.pid, 'SIGKILL')
      await Promise.race([ada, grace].map((page) => sees(page, 'Back again')))
      await eventually(async () => (await Promise.all([people(ada), people(grace)])).join(';') === 'Ada,Grace;Ada,Grace')
      if (process.env['CHAT_SCREENSHOT'] !== undefined) await ada.screenshot({ path: process.env['CHAT_SCREENSHOT'] })
    })
  })
})

describeWith(NATS, 'the chat on two nodes, over NATS', () => {
  test('talks', async () => {
    const engine = await Engine.nats()
    cluster = await ChatCluster.start({ NATS_URL: `nats://127.0.0.1:${engine.port}` })
    const [ada, grace] = [await Guest.join(cluster, 'Ada', 'tea', { node: 0 }), await Guest.join(cluster, 'Grace', 'tea', { node: 1 })]
    await ada.next('joined')
    grace.say('Hello Ada')
    await ada.next('message', { text: 'Hello Ada' })
    const closed = [ada, grace].map(({ client }) => client.close())
    expect(await cluster.close()).toBe(0)
    expect(await Promise.all(closed)).toEqual([0, 1].map(() => ({ code: 1001, reason: 'server restarts' })))
    await engine.close()
  })
})

describe('the start of the cluster', () => {
  test('says in one line what is missing', async () => {
    // Somebody else's engine would do.
    if ((await listens(6379)) || (await listens(4222))) return
    cluster = await ChatCluster.spawn({ PATH: '/nonexistent' })
    expect((await cluster.exited)[0]).toBe(1)
    expect(cluster.output).toMatch(/^Two nodes need Redis or NATS between them: install .*\n$/)
  })

  test('takes an engine that it starts along when it ends', async () => {
    if (!(REDIS.isThere || NATS.isThere) || (await listens(6379)) || (await listens(4222))) return
    cluster = await ChatCluster.start({})
    const port = Number(/^Between them: .*:(\d+)$/m.exec(cluster.output)?.[1])
    expect(await listens(port)).toBe(true)
    expect((await cluster.status()).nodes).toBe(2)
    expect(await cluster.close()).toBe(0)
    expect(await listens(port)).toBe(false)
  })
})

test('the balancer takes turns, and passes over a target that refuses', async () => {
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
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8', timeout: 20_000 })
  expect(stderr).toBe('')
  expect(stdout).toMatch(/^none (a a b|a b a|b a a) \1 b b\n$/)
})
