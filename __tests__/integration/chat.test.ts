import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { describeInBrowser, whySkipped } from '../support/chromium.ts'
import { connect, eventually, type TestClient } from '../support/server.ts'
import { box, ChatPages, isOnline, log, people, say, sees } from './chat-pages.ts'
import { authorization, ChatServer, nextOf, root, send, speak, TOKEN } from './chat-server.ts'

let server: ChatServer

beforeAll(async () => {
  server = await ChatServer.start()
}, 120_000)

afterEach(() => server.dropClients())
afterAll(() => server.stop())

describe('the chat server', () => {
  test('validates what clients send and answers politely', async () => {
    const client = await server.connect('/ws')
    const refused = async (message: unknown): Promise<string> => {
      send(client, message)
      const { type, text } = (await nextOf(client, 'error')) as { type: string; text: string }
      expect(type).toBe('error')
      return text
    }
    expect(await refused({ type: 'dance' })).toBe('This kind of message is unknown here.')
    expect(await refused(null)).toBe('This kind of message is unknown here.')
    expect(await refused({ type: 'message', text: 'hello', ref: 'm1' })).toBe('Join a room first.')
    expect(await refused({ type: 'join', name: 'x'.repeat(25), room: 'r', key: 'k' })).toBe(
      'The name is longer than 24 characters.'
    )
    expect(await refused({ type: 'join', name: ' \u200B ', room: 'r', key: 'k' })).toBe('The name is empty.')
    expect(await refused({ type: 'join', name: 'Validator', room: 'a/b', key: 'k' })).toBe(
      'A room name has letters, digits, - and _ only.'
    )
    send(client, { type: 'join', name: 'Validator', room: 'Checks', key: 'k' })
    expect(await nextOf(client, 'welcome')).toMatchObject({ room: 'checks', you: { name: 'Validator' } })
    expect(await refused({ type: 'message', text: 'x'.repeat(2001), ref: 'm2' })).toBe(
      'The message is longer than 2000 characters.'
    )
  })

  test('closes with 1007 on invalid JSON, and with 1009 on a message that is far too long', async () => {
    const first = await server.connect('/ws')
    first.socket.send('{ hello')
    expect(await first.close()).toMatchObject({ code: 1007 })
    const second = await server.connect('/ws')
    second.socket.send('x'.repeat(20_000))
    expect(await second.close()).toMatchObject({ code: 1009 })
  })

  test('slows down a client that sends too fast, and hands its message back', async () => {
    const client = await server.guest('Hasty', 'hurry')
    for (let i = 0; i < 12; i++) send(client, { type: 'message', text: `message ${i}`, ref: `m${i}` })
    expect(await nextOf(client, 'error')).toMatchObject({
      about: 'message',
      ref: 'm9',
      text: expect.stringContaining('too fast')
    })
  })

  test('disconnects a client that keeps sending too fast', async () => {
    const client = await server.connect('/ws')
    for (let i = 0; i < 200; i++) send(client, { type: 'flood' })
    expect(await client.close()).toEqual({ code: 1008, reason: 'too many refused messages' })
  })

  test('keeps a name for its client, which may take it to a new connection', async () => {
    const first = await server.guest('Keeper', 'names', 'my key')
    const watcher = await server.guest('Watcher', 'names')
    const thief = await server.connect('/ws')
    send(thief, { type: 'join', name: 'keeper', room: 'elsewhere', key: 'another key' })
    expect(await nextOf(thief, 'error')).toMatchObject({
      about: 'join',
      text: 'The name keeper is taken. Please choose another.'
    })
    const second = await server.guest('Keeper', 'names', 'my key')
    expect(await first.close()).toEqual({ code: 4000, reason: 'continued elsewhere' })
    // The other guests do not notice.
    await speak(second, 'still here')
    expect(await nextOf(watcher, 'message', ['joined', 'left'])).toMatchObject({
      text: 'still here',
      from: { id: 'keeper', name: 'Keeper' }
    })
  })

  test('gives newcomers the last messages of a room, and forgets them when the room is empty', async () => {
    const first = await server.guest('Early', 'archive')
    send(first, { type: 'message', text: 'for the record', ref: 'm1' })
    await nextOf(first, 'message')
    const second = await server.connect('/ws')
    send(second, { type: 'join', name: 'Late', room: 'archive', key: 'late' })
    expect(await nextOf(second, 'welcome')).toMatchObject({
      history: [{ text: 'for the record', from: { name: 'Early' } }]
    })
    for (const client of [first, second]) {
      send(client, { type: 'leave' })
      expect(await client.close()).toMatchObject({ code: 1000 })
    }
    await eventually(async () => !(await server.status()).roomList.some(({ name }) => name === 'archive'))
    const third = await server.connect('/ws')
    send(third, { type: 'join', name: 'Latest', room: 'archive', key: 'latest' })
    expect(await nextOf(third, 'welcome')).toMatchObject({ history: [] })
  })

  test('refuses pages of other origins', async () => {
    await expect(connect(server.ws('/ws'), [], { origin: 'https://evil.example' })).rejects.toThrow('403')
    await server.connect('/ws', { origin: server.http('') })
  })

  test('has a validated POST /broadcast that reaches every room', async () => {
    const one = await server.guest('Listener one', 'east')
    const two = await server.guest('Listener two', 'west')
    for (const body of [{}, { message: '' }, { message: '  ' }, { message: 'x'.repeat(2001) }]) {
      expect((await server.post('/broadcast', body)).status).toBe(400)
    }
    const reply = await server.post('/broadcast', { message: 'Lunch is ready' })
    expect(await reply.json()).toMatchObject({ success: true, receivers: expect.any(Number) })
    expect(await nextOf(one, 'announcement')).toMatchObject({ text: 'Lunch is ready' })
    expect(await nextOf(two, 'announcement')).toMatchObject({ text: 'Lunch is ready' })
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
    const page = await fetch(server.http('/status'))
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self'")
    expect(page.headers.get('content-security-policy')).not.toContain('unsafe')
    expect(await page.text()).toContain('<title>Status')
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
    expect(await nextOf(watcher, 'joined')).toMatchObject({ member: { name: 'Ada' }, quiet: false })
    first.socket.terminate()
    await gone('grace')
    const newcomer = await server.connect('/ws')
    send(newcomer, { type: 'join', name: 'Newcomer', room: 'grace', key: 'k' })
    expect(await nextOf(newcomer, 'welcome')).toMatchObject({
      members: expect.arrayContaining([{ id: 'ada', name: 'Ada' }])
    })
    await nextOf(watcher, 'joined')
    await server.guest('Ada', 'grace', 'her key')
    expect(await nextOf(watcher, 'joined', ['left'])).toMatchObject({ member: { name: 'Ada' }, quiet: true })
  })

  test('another client that takes the name is announced as a new guest', async () => {
    const watcher = await server.guest('Watcher', 'impostor')
    const first = await server.guest('Ada', 'impostor', 'her key')
    await nextOf(watcher, 'joined')
    first.socket.terminate()
    await gone('impostor')
    await server.guest('Ada', 'impostor', 'another key')
    expect(await nextOf(watcher, 'left', ['joined'])).toMatchObject({ member: { name: 'Ada' } })
    expect(await nextOf(watcher, 'joined')).toMatchObject({ member: { name: 'Ada' }, quiet: false })
  })

  test('a guest that leaves on purpose, for good or for another room, is gone at once', async () => {
    const watcher = await server.guest('Watcher', 'farewell')
    const [ada, bob] = [await server.guest('Ada', 'farewell'), await server.guest('Bob', 'farewell')]
    send(ada, { type: 'leave' })
    expect(await nextOf(watcher, 'left')).toMatchObject({ member: { name: 'Ada' } })
    expect(await ada.close()).toMatchObject({ code: 1000 })
    send(bob, { type: 'join', name: 'Bob', room: 'elsewhere', key: 'Bob' })
    expect(await nextOf(watcher, 'left')).toMatchObject({ member: { name: 'Bob' } })
  })

  test('messages are kept while a guest may return', async () => {
    const ada = await server.guest('Ada', 'alone', 'her key')
    await speak(ada, 'note to self')
    ada.socket.terminate()
    await eventually(async () => !(await server.status()).roomList.some(({ name }) => name === 'alone'))
    const again = await server.connect('/ws')
    send(again, { type: 'join', name: 'Ada', room: 'alone', key: 'her key' })
    expect(await nextOf(again, 'welcome')).toMatchObject({ history: [{ text: 'note to self' }] })
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
    for (let i = 0; i < 6; i++) send(ada, { type: 'typing', active: true })
    await speak(ada, 'here it is')
    const heard = await typingUntil(bob, 'here it is')
    // Two at once, then one every two seconds.
    expect(heard).toHaveLength(2)
    expect(heard[0]).toMatchObject({ member: { id: 'ada', name: 'Ada' }, active: true })
    send(ada, { type: 'typing', active: false })
    expect(await nextOf(bob, 'typing')).toMatchObject({ active: false })
    send(ada, { type: 'message', text: 'last', ref: 'last' })
    await nextOf(ada, 'message', ['typing', 'error'])
    await speak(mary, 'quiet here')
    expect(mary.messages.map(({ data }) => data).join()).not.toContain('typing')
  })

  test('count towards the message limit, and have no effect outside a room', async () => {
    const flood = await server.connect('/ws')
    for (let i = 0; i < 200; i++) send(flood, { type: 'typing', active: true })
    expect(await flood.close()).toEqual({ code: 1008, reason: 'too many refused messages' })
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
    const feed = await server.connect('/admin/feed', authorization)
    const speaker = await server.guest('Speaker', 'speakers-corner')
    send(speaker, { type: 'message', text: 'overheard', ref: 'm1' })
    expect(await nextOf(feed, 'joined')).toMatchObject({ room: 'speakers-corner', member: { name: 'Speaker' } })
    expect(await nextOf(feed, 'message')).toMatchObject({ room: 'speakers-corner', text: 'overheard' })
    await server.post('/broadcast', { message: 'to all' })
    expect(await nextOf(feed, 'announcement')).toMatchObject({ text: 'to all' })
  })

  test('removes a guest', async () => {
    const rowdy = await server.guest('Rowdy', 'pub')
    expect((await server.post('/admin/kick', { name: 'Nobody of that name' }, authorization)).status).toBe(404)
    expect((await server.post('/admin/kick', { name: 'rowdy' }, authorization)).status).toBe(200)
    expect(await rowdy.close()).toEqual({ code: 4001, reason: 'removed by an operator' })
  })
})

describeInBrowser(`the chat in a browser${whySkipped}`, () => {
  let pages: ChatPages

  beforeAll(async () => {
    pages = await ChatPages.launch(server.http('/'))
  })

  afterEach(() => pages.closePages())
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

  test('an undelivered message returns to the box', async () => {
    const ada = await pages.enter('Ada', 'void')
    // While stopped, the server accepts messages and never answers.
    server.signal('SIGSTOP')
    try {
      await box(ada).fill('into the void')
      await box(ada).press('Enter')
      await ada.getByText('Not delivered: your message is back in the box.').waitFor()
      expect(await box(ada).inputValue()).toBe('into the void')
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

  test('the status page shows the numbers', async () => {
    await pages.enter('Ada', 'status-room')
    const page = await pages.open()
    await page.goto(server.http('/status'))
    await page.getByText('Slow clients closed').waitFor()
    await page.locator('#room-list').getByText('status-room').waitFor()
    const [people, rooms] = await page.locator('#all dd').allInnerTexts()
    expect((await page.locator('#all dt').allInnerTexts()).slice(0, 2)).toEqual(['People', 'Rooms'])
    expect(Number(rooms)).toBe(await page.locator('#room-list li').count())
    const members = await page.locator('#room-list .count').allInnerTexts()
    expect(Number(people)).toBe(members.map(Number).reduce((sum, count) => sum + count, 0))
    expect(await page.locator('#node').isHidden()).toBe(true)
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

async function showConversation(desktop: Page, phone: Page, others: TestClient[]): Promise<void> {
  const [linus, radia] = others as [TestClient, TestClient]
  await Promise.all([
    server.guest('Tim', 'lobby'),
    server.guest('Barbara', 'lobby'),
    server.guest('Ken', 'reading-club')
  ])
  await speak(linus, 'Morning! The new build is on staging.')
  await speak(linus, 'Rooms, reconnects, the lot.')
  await speak(linus, 'Notes are at https://fastify.dev/docs/latest/.')
  await sees(phone, 'Notes are at')
  await say(desktop, 'I pulled the plug on the server twice. Everybody was back within a second.')
  await speak(radia, 'صباح الخير! جرّبت الإصدار الجديد.\nكل شيء يعمل بسرعة')
  await sees(phone, 'كل شيء يعمل')
  await server.post('/broadcast', { message: 'We go live at 14:00. Cake in the kitchen.' })
  await Promise.all([sees(desktop, 'We go live'), sees(phone, 'We go live')])
  await say(phone, 'Who said cake?')
  await sees(desktop, 'Who said cake?')
  send(radia, { type: 'typing', active: true })
  await Promise.all([desktop, phone].map((page) => page.getByText('Radia is typing').waitFor()))
}

/** Writes the picture only if it is missing or asked for, so that a test run leaves the working tree unchanged. */
async function picture(page: Page, name: string): Promise<void> {
  const path = join(root, 'docs', name)
  if (existsSync(path) && process.env['UPDATE_SCREENSHOTS'] !== '1') return
  await page.screenshot({ path })
}

/** The typing notices received before a message. */
async function typingUntil(client: TestClient, text: string): Promise<unknown[]> {
  const heard: unknown[] = []
  for (;;) {
    const said = JSON.parse(await client.next()) as { type: string; text?: string }
    if (said.type === 'typing') heard.push(said)
    if (said.text === text) return heard
  }
}
