import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { describeInBrowser, whySkipped } from '../support/chromium.ts'
import { connect, eventually } from '../support/server.ts'
import type { ChatClient, Frame } from './chat-client.ts'
import { box, ChatPages, isOnline, log, people, say, sees } from './chat-pages.ts'
import { authorization, ChatServer, root, TOKEN } from './chat-server.ts'

let server: ChatServer

beforeAll(async () => {
  server = await ChatServer.start()
}, 120_000)

afterEach(() => server.dropClients())
afterAll(() => server.stop())

describe('the chat server', () => {
  test('validates what clients send and answers politely', async () => {
    const client = await server.connect('/ws')
    const join = (name: string, room: string): Promise<Frame> => client.ask('join', { name, room })
    expect(await client.ask('dance')).toMatchObject({ error: { code: -32601 } })
    client.socket.send('null')
    expect(await client.nextError()).toMatchObject({ code: -32600 })
    expect(await client.ask('say', { text: 'hello' })).toMatchObject(refusal('Join a room first.'))
    expect(await join('x'.repeat(25), 'r')).toMatchObject(refusal('The name is longer than 24 characters.'))
    expect(await join(' \u200B ', 'r')).toMatchObject(refusal('The name is empty.'))
    expect(await join('Validator', 'a/b')).toMatchObject(refusal('A room name has letters, digits, - and _ only.'))
    expect(await client.ask('join', { name: 'Validator' })).toMatchObject(invalid("must have required property 'room'"))
    expect(await client.call('join', { name: 'Validator', room: 'Checks' })).toMatchObject({
      room: 'checks',
      you: { name: 'Validator' }
    })
    expect(await client.ask('say', { text: 'x'.repeat(2001) })).toMatchObject(
      invalid('must NOT have more than 2000 characters')
    )
    expect(await client.ask('say', { text: ' \n ' })).toMatchObject(invalid('must match pattern "\\S"'))
  })

  test('does not let in a client whose key is invalid', async () => {
    for (const key of ['', 'x'.repeat(65)]) {
      const client = await connect(server.ws('/ws'), ['blaze.v1'])
      client.socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'rpc.hello', params: { auth: { key } } }))
      expect(await client.close()).toEqual({ code: 4401, reason: 'unauthorized' })
    }
  })

  test('speaks to clients that know JSON-RPC and nothing else', async () => {
    const client = await connect(server.ws('/ws'))
    client.socket.send('{"jsonrpc":"2.0","id":1,"method":"join","params":{"name":"Plain","room":"plain"}}')
    expect(JSON.parse(await client.next())).toMatchObject({ id: 1, result: { members: [{ name: 'Plain' }] } })
    client.socket.terminate()
  })

  test('answers invalid JSON with an error, and closes with 1009 on a message that is far too long', async () => {
    const client = await server.connect('/ws')
    client.socket.send('{ hello')
    expect(await client.nextError()).toMatchObject({ code: -32700 })
    client.socket.send('x'.repeat(20_000))
    expect(await client.close()).toMatchObject({ code: 1009 })
  })

  test('slows down a client that sends too fast, and refuses its message', async () => {
    const client = await server.guest('Hasty', 'hurry')
    const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => client.ask('say', { text: `message ${i}` })))
    expect(answers.slice(0, 9).every(({ error }) => error === undefined)).toBe(true)
    expect(answers[9]).toMatchObject({
      error: { code: -32000, message: expect.stringContaining('too fast'), data: { code: 'tooFast' } }
    })
  })

  test('disconnects a client that keeps sending too fast', async () => {
    const client = await server.connect('/ws')
    for (let i = 0; i < 200; i++) client.send('flood')
    expect(await client.close()).toMatchObject({ code: 1008 })
  })

  test('keeps a name for its client, which may take it to a new connection', async () => {
    const first = await server.guest('Keeper', 'names', 'my key')
    const watcher = await server.guest('Watcher', 'names')
    const thief = await server.connect('/ws')
    expect(await thief.ask('join', { name: 'keeper', room: 'elsewhere' })).toMatchObject({
      error: { message: 'The name keeper is taken. Please choose another.', data: { code: 'taken' } }
    })
    const second = await server.guest('Keeper', 'names', 'my key')
    expect(await first.close()).toEqual({ code: 4410, reason: 'continued elsewhere' })
    // The other guests do not notice.
    await second.speak('still here')
    expect(await watcher.nextOf('said', ['joined', 'left'])).toMatchObject({
      text: 'still here',
      from: { id: 'keeper', name: 'Keeper' }
    })
  })

  test('gives newcomers the last messages of a room, also if all have left', async () => {
    const first = await server.guest('Early', 'archive')
    for (let i = 1; i <= 9; i++) await first.speak(`for the record ${i}`)
    const second = await server.guest('Late', 'archive')
    expect(await second.nextOf('said')).toMatchObject({ text: 'for the record 1', from: { name: 'Early' } })
    for (const client of [first, second]) {
      client.send('leave')
      expect(await client.close()).toMatchObject({ code: 1000 })
    }
    await eventually(async () => !(await server.status()).roomList.some(({ name }) => name === 'archive'))
    const third = await server.guest('Latest', 'archive')
    for (let i = 1; i <= 9; i++) expect(await third.nextOf('said')).toMatchObject({ text: `for the record ${i}` })
  })

  test('refuses pages of other origins', async () => {
    await expect(connect(server.ws('/ws'), [], { origin: 'https://evil.example' })).rejects.toThrow('403')
    await server.connect('/ws', { headers: { origin: server.http('') } })
  })

  test('describes its messages, and gives pages the client but not the server', async () => {
    const document = (await (await fetch(server.http('/asyncapi.json'))).json()) as { channels: object }
    expect(document.channels).toMatchObject({
      ws: { address: '/ws', title: 'chat' },
      'admin-feed': { address: '/admin/feed', title: 'feed' }
    })
    const statuses = ['client.js', 'client/connect.js', 'index.js', 'hub/hub.js', 'client/connect.d.ts'].map(
      async (path) => (await fetch(server.http(`/modules/${path}`))).status
    )
    expect(await Promise.all(statuses)).toEqual([200, 200, 404, 404, 404])
  })

  test('has a validated POST /broadcast that reaches every room', async () => {
    const one = await server.guest('Listener one', 'east')
    const two = await server.guest('Listener two', 'west')
    for (const body of [{}, { message: '' }, { message: '  ' }, { message: 'x'.repeat(2001) }]) {
      expect((await server.post('/broadcast', body)).status).toBe(400)
    }
    const reply = await server.post('/broadcast', { message: 'Lunch is ready' })
    expect(await reply.json()).toMatchObject({ success: true, receivers: expect.any(Number) })
    expect(await one.nextOf('announcement')).toMatchObject({ text: 'Lunch is ready' })
    expect(await two.nextOf('announcement')).toMatchObject({ text: 'Lunch is ready' })
  })

  test('reports its numbers', async () => {
    await server.guest('Counted', 'counting')
    const { people, rooms, roomList, nodes, node } = await server.status()
    expect(roomList).toContainEqual({ name: 'counting', members: 1 })
    // The rooms that keep names are not counted: the numbers match the list.
    expect(roomList.some(({ name }) => name.includes(':'))).toBe(false)
    expect(rooms).toBe(roomList.length)
    expect(people).toBe(roomList.reduce((sum, { members }) => sum + members, 0))
    expect(nodes).toBe(1)
    expect(node).toMatchObject({ people, drops: 0, slowDisconnects: 0 })
    expect(node).not.toHaveProperty('rooms')
    const page = await fetch(server.http('/'))
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self'")
    expect(page.headers.get('content-security-policy')).not.toContain('unsafe')
  })

  test('shows its connections to operators only', async () => {
    const basic = (password: string) => ({ authorization: `Basic ${btoa(`:${password}`)}` })
    const status = async (headers: Record<string, string>) => (await fetch(server.http('/status'), { headers })).status
    for (const headers of [{}, basic(''), basic('wrong'), basic(`${TOKEN} `), { authorization: 'Basic' }])
      expect(await status(headers as Record<string, string>)).toBe(401)
    expect(await status(basic(TOKEN))).toBe(200)
    expect(await status(authorization)).toBe(200)
  })
})

describe('a grace period before a guest counts as gone', () => {
  // Longer than any test, so that returns are silent even on a slow machine.
  beforeAll(() => server.restart({ CHAT_GRACE: '60000' }))
  afterAll(() => server.restart())

  const gone = (room: string): Promise<void> =>
    eventually(async () => (await server.status()).roomList.find(({ name }) => name === room)?.members === 1)

  test('a return within it is silent, and newcomers meanwhile still see the guest listed', async () => {
    const watcher = await server.guest('Watcher', 'grace')
    const first = await server.guest('Ada', 'grace', 'her key')
    expect(await watcher.nextOf('joined')).toMatchObject({ member: { name: 'Ada' }, quiet: false })
    first.socket.terminate()
    await gone('grace')
    const newcomer = await server.connect('/ws')
    expect(await newcomer.call('join', { name: 'Newcomer', room: 'grace' })).toMatchObject({
      members: expect.arrayContaining([{ id: 'ada', name: 'Ada' }])
    })
    await watcher.nextOf('joined')
    await server.guest('Ada', 'grace', 'her key')
    expect(await watcher.nextOf('joined', ['left'])).toMatchObject({ member: { name: 'Ada' }, quiet: true })
  })

  test('another client that takes the name is announced as a new guest', async () => {
    const watcher = await server.guest('Watcher', 'impostor')
    const first = await server.guest('Ada', 'impostor', 'her key')
    await watcher.nextOf('joined')
    first.socket.terminate()
    await gone('impostor')
    await server.guest('Ada', 'impostor', 'another key')
    expect(await watcher.nextOf('left', ['joined'])).toMatchObject({ member: { name: 'Ada' } })
    expect(await watcher.nextOf('joined')).toMatchObject({ member: { name: 'Ada' }, quiet: false })
  })

  test('a guest that leaves on purpose, for good or for another room, is gone at once', async () => {
    const watcher = await server.guest('Watcher', 'farewell')
    const [ada, bob] = [await server.guest('Ada', 'farewell'), await server.guest('Bob', 'farewell')]
    ada.send('leave')
    expect(await watcher.nextOf('left')).toMatchObject({ member: { name: 'Ada' } })
    expect(await ada.close()).toMatchObject({ code: 1000 })
    await bob.call('join', { name: 'Bob', room: 'elsewhere' })
    expect(await watcher.nextOf('left')).toMatchObject({ member: { name: 'Bob' } })
  })

  test('messages are kept while a guest may return', async () => {
    const ada = await server.guest('Ada', 'alone', 'her key')
    await ada.speak('note to self')
    ada.socket.terminate()
    await eventually(async () => !(await server.status()).roomList.some(({ name }) => name === 'alone'))
    const again = await server.guest('Ada', 'alone', 'her key')
    expect(await again.nextOf('said')).toMatchObject({ text: 'note to self' })
  })

  test('does not delay the stop of the server', async () => {
    const ada = await server.guest('Ada', 'stop')
    ada.socket.terminate()
    await eventually(async () => !(await server.status()).roomList.some(({ name }) => name === 'stop'))
    await server.restart({ CHAT_GRACE: '60000' })
  })
})

test('absences are bounded, end in the order they began, and do not keep the process alive', () => {
  const program = `
    import { Absences } from '${join(root, 'example-app/absences.js')}'
    const told = []
    const many = new Absences(3_600_000, (room, gone) => told.push(...gone.map(({ id }) => id)))
    for (let i = 0; i < 10_003; i++) many.add({ room: 'r' + i % 7, id: i })
    const left = Array.from({ length: 7 }, (_, i) => many.in('r' + i).length).reduce((a, b) => a + b)
    console.log(told.join(), left, many.take('r3', 3)?.id, many.take('r3', 3)?.id)
    const short = new Absences(20, (room, gone) => console.log(room, gone.map(({ id }) => id).join()))
    for (const id of ['a', 'b', 'a', 'c']) short.add({ room: 'short', id })
    short.take('short', 'b')
    const closed = new Absences(1, () => console.log('never'))
    closed.add({ room: 'r', id: 'x' })
    closed.close()
    closed.add({ room: 'r', id: 'y' })
    console.log(closed.in('r').length)
    const end = setInterval(() => short.in('short').length === 0 && clearInterval(end), 5)`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    timeout: 20_000
  })
  expect(stderr).toBe('')
  expect(stdout).toBe('0,1,2 10000 3 undefined\n0\nshort a,c\n')
})

describe('typing notices', () => {
  test('reach the others in the room, at a limited rate, and never the sender', async () => {
    const [ada, bob, mary] = [
      await server.guest('Ada', 'typing'),
      await server.guest('Bob', 'typing'),
      await server.guest('Mary', 'not-typing')
    ]
    for (let i = 0; i < 6; i++) ada.send('typing', { active: true })
    await ada.speak('here it is')
    const heard = await typingUntil(bob, 'here it is')
    // Two at once, then one every two seconds.
    expect(heard).toHaveLength(2)
    expect(heard[0]).toMatchObject({ member: { id: 'ada', name: 'Ada' }, active: true })
    ada.send('typing', { active: false })
    expect(await bob.nextOf('typing')).toMatchObject({ active: false })
    await ada.call('say', { text: 'last' })
    await ada.nextOf('said', ['typing', 'error'])
    await mary.speak('quiet here')
    expect(mary.messages.map(({ data }) => data).join()).not.toContain('typing')
  })

  test('count towards the message limit, and have no effect outside a room', async () => {
    const flood = await server.connect('/ws')
    for (let i = 0; i < 200; i++) flood.send('typing', { active: true })
    expect(await flood.close()).toMatchObject({ code: 1008 })
  })
})

test('suggests names that are free', async () => {
  const free = async (like: string): Promise<string> =>
    ((await (await fetch(server.http(`/name?like=${encodeURIComponent(like)}`))).json()) as { name: string }).name
  expect(await free('Somebody new')).toBe('Somebody new')
  await server.guest('Suggested', 'suggestions')
  expect(await free('suggested')).toBe('suggested 2')
  await server.guest('Suggested 2', 'suggestions')
  expect(await free('Suggested')).toBe('Suggested 3')
  expect(await free('Suggested 2')).toBe('Suggested 3')
  const long = '🦊'.repeat(12)
  await server.guest(long, 'suggestions')
  expect(await free(long)).toBe(`${'🦊'.repeat(11)} 2`)
  for (const like of ['', 'x'.repeat(25), '\u200B'])
    expect((await fetch(server.http(`/name?like=${encodeURIComponent(like)}`))).status).toBe(400)
})

describe('the admin group', () => {
  test('a ticket, issued only for the token, opens the feed once', async () => {
    expect((await server.post('/admin/ticket', {}, {})).status).toBe(401)
    const { ticket } = (await (await server.post('/admin/ticket', {}, authorization)).json()) as { ticket: string }
    await server.connect(`/admin/feed?ticket=${ticket}`)
    for (const spent of [ticket, 'x', ''])
      await expect(connect(server.ws(`/admin/feed?ticket=${spent}`))).rejects.toThrow('401')
    // It opens nothing else.
    expect((await server.post(`/admin/kick?ticket=${ticket}`, { name: 'Anybody' }, {})).status).toBe(401)
  })

  test('answers 401 to requests and upgrades without the token', async () => {
    for (const headers of [{}, { authorization: 'Bearer wrong' }, { authorization: TOKEN }]) {
      expect((await server.post('/admin/kick', { name: 'Anybody' }, headers)).status).toBe(401)
      await expect(connect(server.ws('/admin/feed'), [], { headers })).rejects.toThrow('401')
    }
  })

  test('sends the events of all rooms to a feed with the token', async () => {
    const feed = await server.connect('/admin/feed', { headers: authorization })
    const speaker = await server.guest('Speaker', 'speakers-corner')
    await speaker.call('say', { text: 'overheard' })
    expect(await feed.nextOf('joined')).toMatchObject({ room: 'speakers-corner', member: { name: 'Speaker' } })
    expect(await feed.nextOf('said')).toMatchObject({ room: 'speakers-corner', text: 'overheard' })
    await server.post('/broadcast', { message: 'to all' })
    expect(await feed.nextOf('announcement')).toMatchObject({ text: 'to all' })
  })

  test('removes a guest', async () => {
    const rowdy = await server.guest('Rowdy', 'pub')
    expect((await server.post('/admin/kick', { name: 'Nobody of that name' }, authorization)).status).toBe(404)
    expect((await server.post('/admin/kick', { name: 'rowdy' }, authorization)).status).toBe(200)
    expect(await rowdy.close()).toEqual({ code: 4403, reason: 'removed by an operator' })
  })
})

describeInBrowser(`the chat in a browser${whySkipped}`, () => {
  let pages: ChatPages

  beforeAll(async () => {
    pages = await ChatPages.launch(server.http('/'))
  })

  afterEach(async () => {
    server.dropClients()
    await pages.closePages()
    // Their names are free again only once the server knows that they have left.
    await eventually(async () => (await server.status()).people === 0, 'the guests to be gone')
  })

  afterAll(() => pages?.close())

  test('two pages chat in a room, and a page in another room sees none of it', async () => {
    const [ada, grace, mary] = await Promise.all([
      pages.enter('Ada', 'tea'),
      pages.enter('Grace', 'tea'),
      pages.enter('Mary', 'coffee')
    ])
    await say(ada, 'Hello Grace')
    await sees(grace, 'Hello Grace')
    expect(await box(ada).inputValue()).toBe('')
    await say(grace, 'Hello Ada')
    await sees(ada, 'Hello Ada')
    await say(mary, 'Is somebody here?')
    expect(await log(mary)).not.toContain('Hello')
    expect(await log(ada)).not.toContain('Is somebody here?')
    expect(await people(ada)).toEqual(['Ada', 'Grace'])
    expect(await people(mary)).toEqual(['Mary'])

    await mary.getByRole('button', { name: 'tea' }).click()
    await sees(ada, 'Mary joined')
    await sees(mary, 'Hello Grace')
    await mary.context().close()
    await sees(ada, 'Mary left')
  })

  test('an announcement over HTTP reaches all pages', async () => {
    const all = await Promise.all([
      pages.enter('Ada', 'tea'),
      pages.enter('Grace', 'tea'),
      pages.enter('Mary', 'coffee')
    ])
    await server.post('/broadcast', { message: 'The kettle is on' })
    await Promise.all(all.map((page) => sees(page, 'The kettle is on')))
    expect(await all[2]?.locator('.announcement').count()).toBe(1)
  })

  test('markup is shown as the text it is', async () => {
    const [ada, grace] = await Promise.all([pages.enter('Ada <b>', 'tea'), pages.enter('Grace', 'tea')])
    const markup = '<img src=x onerror="document.title=\'broken into\'">'
    await say(ada, markup)
    await server.post('/broadcast', { message: markup })
    await sees(grace, markup)
    await grace.getByRole('log').getByText('To all rooms').waitFor()
    expect(await grace.locator('#log img, #people b').count()).toBe(0)
    expect(await grace.title()).not.toContain('broken into')
  })

  test('after a restart of the server, pages reconnect by themselves and keep unsent text', async () => {
    const [ada, grace] = await Promise.all([pages.enter('Ada', 'restarts'), pages.enter('Grace', 'restarts')])
    await say(ada, 'before the restart')
    await server.stop()
    await ada.getByText('The server restarts. Connecting again…').waitFor()
    expect(await ada.getByRole('button', { name: 'Send' }).isDisabled()).toBe(true)
    await box(ada).fill('typed while away')
    await box(ada).press('Enter')
    await ada.getByText('Not connected: your message waits here.').waitFor()
    expect(await box(ada).inputValue()).toBe('typed while away')

    await server.start()
    await Promise.all([isOnline(ada), isOnline(grace)])
    await box(ada).press('Enter')
    await sees(grace, 'typed while away')
    await say(grace, 'good to have you back')
    await sees(ada, 'good to have you back')
    await eventually(async () => (await people(ada)).join() === 'Ada,Grace')
    expect(await log(ada)).toContain('before the restart')
    expect(await log(ada)).not.toContain('Grace left')
  })

  test('after the server is killed, pages show the lost connection and reconnect', async () => {
    const ada = await pages.enter('Ada', 'crashes')
    await server.stop('SIGKILL')
    await ada.getByText('Connection lost, trying again…').waitFor()
    await server.start()
    await isOnline(ada)
    await say(ada, 'still here')
    expect(await ada.locator('#banner').isHidden()).toBe(true)
  })

  test('undelivered messages return to the box', async () => {
    const ada = await pages.enter('Ada', 'void')
    // While stopped, the server accepts messages and never answers.
    server.signal('SIGSTOP')
    try {
      await box(ada).fill('into the void')
      await box(ada).press('Enter')
      await box(ada).fill('and another')
      await box(ada).press('Enter')
      await box(ada).fill('a draft')
      await ada.getByText('Not delivered: your message is back in the box.').waitFor()
      expect(await box(ada).inputValue()).toBe('into the void\nand another\na draft')
    } finally {
      server.signal('SIGCONT')
    }
    await isOnline(ada)
  })

  test('a removed guest is told so, and may join again', async () => {
    const ada = await pages.enter('Ada', 'exit')
    await server.post('/admin/kick', { name: 'Ada' }, authorization)
    await ada.getByText('An operator removed you from the chat.').waitFor()
    await ada.getByRole('button', { name: 'Join again' }).click()
    await isOnline(ada)
    expect(await people(ada)).toEqual(['Ada'])
  })

  test('a taken name is refused on the entrance form', async () => {
    await pages.enter('Ada', 'names-here')
    const other = await pages.open()
    await other.getByLabel('Your name').fill('ada')
    await other.getByRole('button', { name: 'Join the chat' }).click()
    await other.getByText('The name ada is taken. Please choose another.').waitFor()
    expect(await other.getByLabel('Your name').inputValue()).toBe('ada')
  })

  test('a reload keeps the room and the name', async () => {
    const ada = await pages.enter('Ada', 'reloads')
    const grace = await pages.enter('Grace', 'reloads')
    await say(grace, 'Do not go away')
    await ada.reload()
    await isOnline(ada)
    await sees(ada, 'Do not go away')
    expect(await people(ada)).toEqual(['Ada', 'Grace'])
  })

  test('after a reload, a page shows what it showed, then what was said meanwhile, each once', async () => {
    const grace = await server.guest('Grace', 'meanwhile')
    await grace.speak('before Ada')
    const ada = await pages.enter('Ada', 'meanwhile')
    await say(ada, 'from Ada')
    await grace.speak('seen')
    await sees(ada, 'seen')
    await ada.goto('about:blank')
    await grace.speak('missed')
    await ada.goBack()
    await isOnline(ada)
    await sees(ada, 'missed')
    await grace.speak('live')
    await sees(ada, 'live')
    const texts = (page: Page): Promise<string[]> => page.locator('#log .text').allInnerTexts()
    expect(await texts(ada)).toEqual(['before Ada', 'from Ada', 'seen', 'missed', 'live'])
    expect(await ada.locator('.group[data-own=true] .text').allInnerTexts()).toEqual(['from Ada'])
    const newcomer = await pages.enter('Mary', 'meanwhile')
    await sees(newcomer, 'live')
    expect((await log(newcomer)).trim()).toMatch(/before Ada[^]*live[^]*You joined/)
    expect(await texts(newcomer)).toEqual(await texts(ada))
  })

  test('works with the keyboard alone', async () => {
    const page = await pages.open()
    await page.keyboard.type('Ada')
    await page.keyboard.press('Enter')
    await isOnline(page)
    await page.keyboard.type('first line')
    await page.keyboard.press('Shift+Enter')
    await page.keyboard.type('second line')
    await page.keyboard.press('Enter')
    await sees(page, 'second line')
    await page.getByLabel('Name of a new room').focus()
    await page.keyboard.type('Reading Club')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: '#reading-club' }).waitFor()
    expect(await box(page).evaluate((element) => element === element.ownerDocument.activeElement)).toBe(true)
  })

  test('the page for operators shows the connections', async () => {
    await pages.enter('Ada', 'status-room')
    const page = await pages.open({ httpCredentials: { username: '', password: TOKEN } })
    await page.goto(server.http('/status'))
    await page.locator('#rooms').getByText('status-room', { exact: true }).waitFor()
    const row = page.locator('#connections tr').first()
    expect(await row.locator('td').first().innerText()).toBe('/ws')
    await row.getByRole('button').click()
    await page.getByRole('dialog').getByText('status-room', { exact: true }).waitFor()
    expect(await page.locator('#nodes-section').isHidden()).toBe(true)
  })

  test('the page of messages shows the contracts', async () => {
    const page = await pages.open()
    await page.goto(server.http('/asyncapi.html'))
    await page.getByRole('heading', { name: '/admin/feed' }).waitFor()
    expect(await page.locator('#channels h2').allInnerTexts()).toEqual(['/ws', '/admin/feed'])
    const join = page.locator('details', { hasText: 'join result' })
    await join.locator('summary').click()
    expect(await join.locator('pre').allInnerTexts()).toEqual([
      expect.stringContaining('name: string (maxLength 100)'),
      expect.stringContaining('members: list of {'),
      expect.stringContaining('code: "refused" | "taken" | "tooFast"')
    ])
    await page.locator('#schemas').getByText('rpc.InvalidParams').waitFor()
  })

  test('looks like the pictures in the documentation', async () => {
    const others = await Promise.all(['Linus', 'Radia', 'ליאת'].map((name) => server.guest(name, 'launch-day')))
    const desktop = await pages.enter('Ada', 'launch-day', { colorScheme: 'light' })
    const phone = await pages.enter('Grace', 'launch-day', {
      viewport: { width: 390, height: 844 },
      colorScheme: 'dark',
      isMobile: true,
      hasTouch: true
    })
    await showConversation(desktop, phone, others)
    expect(await phone.evaluate('document.documentElement.scrollWidth')).toBe(390)
    await box(phone).blur()
    await picture(desktop, 'chat-desktop.png')
    await picture(phone, 'chat-phone.png')

    await phone.getByRole('button', { name: 'Rooms and people' }).click()
    await phone.getByRole('button', { name: 'lobby' }).waitFor()
    await phone.keyboard.press('Escape')
    await phone.locator('#panel').waitFor({ state: 'hidden' })
  })
})

async function showConversation(desktop: Page, phone: Page, others: ChatClient[]): Promise<void> {
  const [linus, radia] = others as [ChatClient, ChatClient]
  await Promise.all([
    server.guest('Tim', 'lobby'),
    server.guest('Barbara', 'lobby'),
    server.guest('Ken', 'reading-club')
  ])
  await linus.speak('Morning! The new build is on staging.')
  await linus.speak('Rooms, reconnects, the lot.')
  await linus.speak('Notes are at https://fastify.dev/docs/latest/.')
  await sees(phone, 'Notes are at')
  await say(desktop, 'I pulled the plug on the server twice. Everybody was back within a second.')
  await radia.speak('صباح الخير! جرّبت الإصدار الجديد.\nكل شيء يعمل بسرعة')
  await sees(phone, 'كل شيء يعمل')
  await server.post('/broadcast', { message: 'We go live at 14:00. Cake in the kitchen.' })
  await Promise.all([sees(desktop, 'We go live'), sees(phone, 'We go live')])
  await say(phone, 'Who said cake?')
  await sees(desktop, 'Who said cake?')
  radia.send('typing', { active: true })
  await Promise.all([desktop, phone].map((page) => page.getByText('Radia is typing').waitFor()))
}

/** Writes the picture only if it is missing or asked for, so that a test run leaves the working tree unchanged. */
async function picture(page: Page, name: string): Promise<void> {
  const path = join(root, 'docs', name)
  if (existsSync(path) && process.env['UPDATE_SCREENSHOTS'] !== '1') return
  await page.screenshot({ path })
}

/** An answer that refuses a call. */
function refusal(message: string): object {
  return { error: { code: -32000, message, data: { code: 'refused' } } }
}

/** An answer to a call whose input does not fit the contract. */
function invalid(message: string): object {
  return { error: { code: -32602, data: [expect.objectContaining({ message })] } }
}

/** The typing notices received before a message. */
async function typingUntil(client: ChatClient, text: string): Promise<unknown[]> {
  const heard: unknown[] = []
  for (;;) {
    const { method, params } = JSON.parse(await client.next()) as Frame
    if (method === 'typing') heard.push(params)
    if (method === 'said' && (params as { text: string }).text === text) return heard
  }
}
