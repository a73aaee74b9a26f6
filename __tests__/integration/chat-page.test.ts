import type { Locator, Page } from 'playwright-core'
import { describeInBrowser, whySkipped } from '../support/chromium.ts'
import { eventually } from '../support/server.ts'
import { box, ChatPages, isOnline, log, people, say, sees } from './chat-pages.ts'
import { ChatServer } from './chat-server.ts'

jest.setTimeout(60_000)

describeInBrowser(`the chat page${whySkipped}`, () => {
  let server: ChatServer
  let pages: ChatPages

  beforeAll(async () => {
    // Long, so that returns are silent even on a slow machine.
    server = await ChatServer.start({ CHAT_GRACE: '60000' })
    pages = await ChatPages.launch(server.http('/'))
  }, 120_000)

  afterEach(async () => {
    server.dropClients()
    await pages.closePages()
  })

  afterAll(async () => {
    await pages?.close()
    await server.stop()
  })

  describe('names', () => {
    test('a second tab is another guest, and is offered a free name', async () => {
      const ada = await pages.enter('Ada', 'tabs')
      const second = await pages.open({}, ada.context())
      await eventually(async () => (await second.getByLabel('Your name').inputValue()) === 'Ada 2')
      await second.getByLabel('Room', { exact: true }).fill('tabs')
      await second.getByRole('button', { name: 'Join the chat' }).click()
      await isOnline(second)
      expect(await second.locator('#enter-error').innerText()).toBe('')
      await eventually(async () => (await people(ada)).join() === 'Ada,Ada 2')
      // Each keeps its name.
      await Promise.all([ada.reload(), second.reload()])
      await Promise.all([isOnline(ada), isOnline(second)])
      expect(await ada.locator('#people [data-self=true] .person').innerText()).toBe('Ada')
      expect(await second.locator('#people [data-self=true] .person').innerText()).toBe('Ada 2')
    })

    test('a suggested name does not overwrite typed text', async () => {
      const first = await pages.enter('Slow', 'slow')
      const context = first.context()
      let answer = (): void => {}
      const asked = new Promise<void>((resolve) => {
        void context.route('**/name?*', async (route) => {
          resolve()
          await new Promise<void>((go) => (answer = go))
          await route.continue()
        })
      })
      const second = await pages.open({}, context)
      await asked
      await second.getByLabel('Your name').fill('Quick')
      const answered = second.waitForResponse('**/name?*')
      answer()
      await answered
      expect(await second.getByLabel('Your name').inputValue()).toBe('Quick')
    })

    test("the user's own name is marked in the list and appears nowhere else in the panel", async () => {
      const ada = await pages.enter('Ada', 'own-name')
      expect(await ada.locator('#people [data-self=true]').innerText()).toMatch(/Ada\s+you/)
      expect(await ada.locator('#panel').getByText('Ada', { exact: true }).count()).toBe(1)
      // The list fills the panel, so the foot is at its bottom.
      const [panel, foot] = [await ada.locator('#panel').boundingBox(), await ada.locator('.foot').boundingBox()]
      expect(foot!.y + foot!.height).toBeGreaterThan(panel!.y + panel!.height - 30)
      expect(await ada.locator('#node').isHidden()).toBe(true)
    })
  })

  describe('text', () => {
    const textOf = (page: Page, text: string): Locator => page.locator('.bubble', { hasText: text })

    /** For each line, the distances of its text from the left and the right edge of the bubble's text. */
    const gaps = (bubble: Locator): Promise<{ left: number; right: number }[]> =>
      bubble.locator('.line').evaluateAll((lines) =>
        lines.map((line) => {
          const outer = line.getBoundingClientRect()
          const range = line.ownerDocument.createRange()
          range.selectNodeContents(line)
          const rects = [...range.getClientRects()]
          return {
            left: Math.min(...rects.map(({ left }) => left)) - outer.left,
            right: outer.right - Math.max(...rects.map(({ right }) => right))
          }
        })
      )

    test('each line starts on the side of its own script', async () => {
      const [ada, bob] = [await pages.enter('Ada', 'scripts'), await server.guest('Bob', 'scripts')]
      await bob.speak(
        'مرحبا\nA line in English that is longer\nשלום\n123 سطر\nEnglish with عربي\nhttps://example.com/ مرحبا'
      )
      await say(ada, 'نعم')
      await ada.locator('#text').fill('سطر أول\nsecond')
      const measured = await gaps(textOf(ada, 'A line in English'))
      const sides = measured.map(({ left, right }) => (right < 1 ? 'right' : left < 1 ? 'left' : 'neither'))
      // The longest line fills the bubble; each other line is aligned to its own side.
      expect(sides.filter((_, i) => i !== 1)).toEqual(['right', 'right', 'right', 'left', 'right'])
      expect(measured[1]!.left).toBeLessThan(1)
      // Shorter lines keep clear of the opposite side, so the alignment is not a coincidence.
      expect(measured[0]!.left).toBeGreaterThan(20)
      expect(measured[4]!.right).toBeGreaterThan(20)
      expect(
        await ada
          .locator('#text')
          .evaluate((field) => field.ownerDocument.defaultView!.getComputedStyle(field).unicodeBidi)
      ).toBe('plaintext')
    })

    test('announcements have their own direction', async () => {
      const ada = await pages.enter('Ada', 'scripts-2')
      await server.post('/broadcast', { message: 'الغداء جاهز\nLunch' })
      await sees(ada, 'الغداء جاهز')
      const [first, second] = await gaps(ada.locator('.announcement'))
      expect(first!.right).toBeLessThan(1)
      expect(second!.left).toBeLessThan(1)
    })

    test('names and rooms of either direction do not disturb the text around them', async () => {
      const ada = await pages.enter('Ada', 'غرفة')
      const liat = await server.guest('ליאת (1)', 'غرفة')
      await sees(ada, 'ליאת (1)')
      await liat.speak('hello')
      liat.send('typing', { active: true })
      await ada.locator('#typing', { hasText: 'is typing' }).waitFor()
      for (const place of ['#people', '#log .notice', '#log .group .head', '#typing']) {
        const name = ada.locator(`${place} bdi`, { hasText: 'ליאת (1)' })
        expect(
          await name.evaluate((element) => [
            element.tagName,
            element.ownerDocument.defaultView!.getComputedStyle(element).direction
          ])
        ).toEqual(['BDI', 'rtl'])
      }
      expect(await ada.locator('#title bdi').innerText()).toBe('غرفة')
      expect(await ada.locator('#rooms [aria-current] bdi').innerText()).toBe('غرفة')
    })

    test('only web addresses become links, which send no referrer', async () => {
      const [ada, bob] = [await pages.enter('Ada', 'links'), await server.guest('Bob', 'links')]
      await bob.speak('See https://example.com/a?b=c#d, or javascript:alert(1) <a href="https://evil.example">x</a>')
      await sees(ada, 'See https://example.com')
      const links = await ada
        .locator('#log a')
        .evaluateAll((all) => all.map((a) => ['href', 'target', 'rel', 'dir'].map((name) => a.getAttribute(name))))
      expect(links).toEqual([
        ['https://example.com/a?b=c#d', '_blank', 'noopener noreferrer nofollow', 'ltr'],
        ['https://evil.example/', '_blank', 'noopener noreferrer nofollow', 'ltr']
      ])
      expect(await textOf(ada, 'See').innerText()).toBe(
        'See https://example.com/a?b=c#d, or javascript:alert(1) <a href="https://evil.example">x</a>'
      )
    })

    test('finds the start and the end of an address', async () => {
      const page = await pages.open()
      const linksIn = (text: string): Promise<(string | undefined)[]> =>
        page.evaluate(
          `import('/links.js').then(({ partsOf }) => {
            const parts = partsOf(${JSON.stringify(text)})
            if (parts.map((part) => part.text).join('') !== ${JSON.stringify(text)}) throw new Error('text was lost')
            return parts.filter(({ href }) => href).map(({ text }) => text)
          })`
        )
      const cases: [string, ...string[]][] = [
        ['https://a.example', 'https://a.example'],
        ['HTTP://A.example/X.', 'HTTP://A.example/X'],
        ['(https://a.example/b)', 'https://a.example/b'],
        ['https://a.example/b_(c)', 'https://a.example/b_(c)'],
        ['(see https://a.example/b_(c)).', 'https://a.example/b_(c)'],
        ['[x](https://a.example/?q=[1])', 'https://a.example/?q=[1]'],
        ['"https://a.example/b", “https://b.example”', 'https://a.example/b', 'https://b.example'],
        ['https://a.example?! https://b.example…', 'https://a.example', 'https://b.example'],
        ['**https://a.example**', 'https://a.example'],
        ['انظر https://a.example/ب، ثم', 'https://a.example/ب'],
        ['（https://a.example/b）。', 'https://a.example/b'],
        ['https://a.example/\u202Egpj.exe', 'https://a.example/'],
        ['https://a.example/x\u200By', 'https://a.example/x'],
        [
          'http://localhost:3000/ http://[::1]:8080/x http://127.0.0.1',
          'http://localhost:3000/',
          'http://[::1]:8080/x',
          'http://127.0.0.1'
        ],
        ['https://a.example<script>', 'https://a.example'],
        // Not links: other schemes, no host, a user name that looks like a host.
        ['javascript:alert(1) JAVASCRIPT://a.example/%0aalert(1) data:text/html,x vbscript:x file:///etc/passwd'],
        ['javascript:https://a.example'.replace('https', 'xhttps')],
        ['https:// http://. https://)'],
        ['https://bank.example@evil.example/ https://u:p@evil.example'],
        ['xhttps://a.example'],
        ['no links here']
      ]
      for (const [text, ...expected] of cases) expect([text, ...(await linksIn(text))]).toEqual([text, ...expected])
      // Very many brackets take a bounded time.
      const started = performance.now()
      expect(await linksIn(`https://a.example/${'('.repeat(900)}${')'.repeat(1000)}`)).toHaveLength(1)
      expect(performance.now() - started).toBeLessThan(10_000)
    })

    test('messages of one person within a few minutes form a group with one name and one time', async () => {
      const [ada, bob] = [await pages.enter('Ada', 'bursts'), await server.guest('Bob', 'bursts')]
      for (const text of ['one', 'two', 'three']) await bob.speak(text)
      await say(ada, 'four')
      await say(ada, 'five')
      const groups = ada.locator('#log .group')
      expect(
        await groups.evaluateAll((all) =>
          all.map((group) => [
            group.querySelectorAll('.bubble').length,
            group.querySelectorAll('time').length,
            group.querySelectorAll('.author').length
          ])
        )
      ).toEqual([
        [3, 1, 1],
        [2, 1, 1]
      ])
      // A screen reader announces the author of each message.
      expect(await groups.first().locator('.bubble .sr-only').allInnerTexts()).toEqual(
        ['Bob: ', 'Bob: '].map((text) => text.trim())
      )
      const sizes =
        await ada.evaluate(`Promise.all([import('/log.js'), import('/colours.js')]).then(([{ Log }, { Colours }]) => {
        const log = new Log(new Colours(), () => {})
        const say = (id, minutes) => log.message({ id, from: { id: 'x', name: 'X' }, text: id, at: minutes * 60_000 }, { isOwn: false })
        log.clear()
        for (const minutes of [0, 3, 4.9, 5, 9, 11]) say('at ' + minutes, minutes)
        const sizes = () => [...document.querySelectorAll('#log .group')].map((group) => group.querySelectorAll('.bubble').length)
        const grouped = sizes()
        for (let i = 0; i < 600; i++) say('more ' + i, 20 + i)
        return [grouped, sizes().reduce((a, b) => a + b), sizes().includes(0)]
      })`)
      expect(sizes).toEqual([[3, 2, 1], 500, false])
    })
  })

  describe('colours', () => {
    test('people who are present together have different colours', async () => {
      const ada = await pages.enter('Ada', 'colours')
      await Promise.all(
        ['Bob', 'Cleo', 'Dan', 'Eve', 'Finn', 'Gus', 'Hal', 'Ida', 'Jo', 'Kim', 'Lou'].map((name) =>
          server.guest(name, 'colours')
        )
      )
      await eventually(async () => (await people(ada)).length === 12)
      const colours = await ada
        .locator('#people .avatar')
        .evaluateAll((all) => all.map((sign) => sign.ownerDocument.defaultView!.getComputedStyle(sign).backgroundColor))
      expect(new Set(colours).size).toBe(12)
    })

    test('stay different as people come and go, and clearly so for two people', async () => {
      const page = await pages.open()
      const faults = await page.evaluate(`import('/colours.js').then(({ Colours, PALETTE }) => {
        const faults = []
        let seed = 7
        const random = (n) => (seed = (seed * 48271) % 2147483647) % n
        const colours = new Colours()
        let here = []
        for (let i = 0; i < 3000; i++) {
          const id = 'person ' + random(40)
          colours.of('absent ' + random(40))
          here = here.includes(id) ? here.filter((one) => one !== id) : [...here, id]
          const before = new Map(here.map((one) => [one, colours.of(one)]))
          const changed = colours.setPresent(here)
          const used = here.map((one) => colours.of(one))
          const different = new Set(used).size
          if (different < Math.min(here.length, PALETTE)) faults.push('same: ' + used)
          for (const one of here) if (!changed.includes(one) && before.get(one) !== colours.of(one)) faults.push('changed without a word')
        }
        for (let i = 0; i < 500; i++) {
          const two = new Colours()
          two.setPresent(['a' + i, 'b' + i * 7])
          const distance = Math.abs(two.of('a' + i) - two.of('b' + i * 7))
          if (Math.min(distance, PALETTE - distance) < 3) faults.push('alike: ' + i)
        }
        const full = new Colours()
        full.setPresent(Array.from({ length: PALETTE * 2 }, (_, i) => 'p' + i))
        const uses = Array.from({ length: PALETTE * 2 }, (_, i) => full.of('p' + i))
        if (uses.some((one) => uses.filter((other) => other === one).length !== 2)) faults.push('uneven')
        return faults
      })`)
      expect(faults).toEqual([])
    })

    test.each(['light', 'dark'] as const)('are all legible, %s', async (colorScheme) => {
      const page = await pages.enter('Ada', 'contrast', { colorScheme })
      const contrasts = (await page.evaluate(`import('/view.js').then(({ avatar, nameOf }) => {
        const channels = (text) => text.match(/[\\d.]+/g).slice(0, 3).map((value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
        const light = (text) => { const [r, g, b] = channels(text); return 0.2126 * r + 0.7152 * g + 0.0722 * b }
        const contrast = (a, b) => { const [dark, bright] = [light(a), light(b)].sort((x, y) => x - y); return (bright + 0.05) / (dark + 0.05) }
        const surface = getComputedStyle(document.querySelector('#chat')).backgroundColor
        return Array.from({ length: 12 }, (_, colour) => {
          const sign = avatar({ id: 'x', name: 'X' }, colour)
          const name = nameOf('X', 'author')
          name.dataset.colour = colour
          document.querySelector('#log').append(sign, name)
          return Math.min(contrast(getComputedStyle(sign).color, getComputedStyle(sign).backgroundColor), contrast(getComputedStyle(name).color, surface))
        })
      })`)) as number[]
      expect(Math.min(...contrasts)).toBeGreaterThan(4.5)
    })
  })

  describe('unread messages', () => {
    /** Headless Chromium calls every tab visible, so this overrides the state that the page sees. */
    async function setHidden(page: Page, isHidden: boolean): Promise<void> {
      await page.evaluate(`(() => {
        Object.defineProperty(document, 'visibilityState', { configurable: true, value: '${isHidden ? 'hidden' : 'visible'}' })
        document.dispatchEvent(new Event('visibilitychange'))
      })()`)
    }

    test('a hidden tab shows the number of missed messages', async () => {
      const [ada, bob] = [await pages.enter('Ada', 'hidden'), await server.guest('Bob', 'hidden')]
      await bob.speak('seen')
      await sees(ada, 'seen')
      await setHidden(ada, true)
      await bob.speak('missed one')
      await bob.speak('missed two')
      await sees(ada, 'missed two')
      expect(await ada.title()).toBe('(2) #hidden – Blaze Chat')
      expect(await ada.locator('link[rel=icon]').getAttribute('href')).toBe('icon-unread.svg')
      expect((await fetch(server.http('/icon-unread.svg'))).status).toBe(200)
      // The line precedes the new messages, which start a group of their own.
      expect(await log(ada)).toMatch(/seen\s+New messages\s+B\s+Bob\s+\d\d:\d\d\s+missed one/)
      await setHidden(ada, false)
      expect(await ada.title()).toBe('#hidden – Blaze Chat')
      expect(await ada.locator('link[rel=icon]').getAttribute('href')).toBe('icon.svg')
    })

    test('a page that is scrolled up stays there, counts new messages, and jumps to them with one key', async () => {
      const ada = await pages.enter('Ada', 'scrolled', { viewport: { width: 1280, height: 420 } })
      const bob = await server.guest('Bob', 'scrolled')
      for (let i = 0; i < 8; i++) await bob.speak(`line ${i}\n.\n.`)
      await sees(ada, 'line 7')
      await ada.locator('#log').evaluate((element) => (element.scrollTop = 0))
      const button = ada.locator('#to-end')
      await button.waitFor()
      expect(await button.innerText()).toBe('To the latest ↓')
      const carol = await server.guest('Carol', 'scrolled')
      await carol.speak('new one')
      await ada.getByRole('button', { name: '1 new message ↓' }).waitFor()
      await carol.speak('new two')
      await ada.getByRole('button', { name: '2 new messages ↓' }).waitFor()
      expect(await ada.locator('#log').evaluate((element) => element.scrollTop)).toBe(0)
      expect(await ada.title()).toBe('(2) #scrolled – Blaze Chat')
      await button.focus()
      await ada.keyboard.press('Enter')
      await button.waitFor({ state: 'hidden' })
      expect(await ada.title()).toBe('#scrolled – Blaze Chat')
      expect(await ada.locator('.marker').count()).toBe(1)
      expect(await box(ada).evaluate((element) => element === element.ownerDocument.activeElement)).toBe(true)
    })
  })

  describe('typing notices', () => {
    test('are shown to the others until the message arrives, and never to the author', async () => {
      const [ada, grace] = [await pages.enter('Ada', 'keys'), await pages.enter('Grace', 'keys')]
      await box(grace).pressSequentially('Hel')
      await ada.getByText('Grace is typing').waitFor()
      expect(await ada.locator('#typing').getAttribute('aria-live')).toBe('polite')
      expect(await grace.locator('#typing').innerText()).toBe('')
      await box(grace).press('Enter')
      await sees(ada, 'Hel')
      expect(await ada.locator('#typing').innerText()).toBe('')
      // Emptying the box ends the notice.
      await box(grace).pressSequentially('x')
      await ada.getByText('Grace is typing').waitFor()
      await box(grace).fill('')
      await eventually(async () => (await ada.locator('#typing').innerText()) === '')
    })

    test('expire, name up to three people, and end when a person leaves', async () => {
      const ada = await pages.enter('Ada', 'keys-2')
      const others = await Promise.all(['Bob', 'Cleo', 'Dan', 'Eve'].map((name) => server.guest(name, 'keys-2')))
      const line = ada.locator('#typing')
      const says = (text: string): Promise<void> => eventually(async () => (await line.innerText()) === text, text)
      const sentences = [
        'Bob is typing',
        'Bob and Cleo are typing',
        'Bob, Cleo and Dan are typing',
        '4 people are typing'
      ]
      for (const [i, other] of others.entries()) {
        other.send('typing', { active: true })
        await says(sentences[i]!)
      }
      others[3]!.send('leave')
      await says('Bob, Cleo and Dan are typing')
      await says('')
    })
  })

  describe('the connection', () => {
    test('a reload is silent for the others', async () => {
      const [grace, ada] = [await pages.enter('Grace', 'reload'), await pages.enter('Ada', 'reload')]
      await sees(grace, 'Ada joined')
      const before = await log(grace)
      await ada.reload()
      await isOnline(ada)
      await say(ada, 'still me')
      await sees(grace, 'still me')
      expect((await log(grace)).startsWith(before)).toBe(true)
      expect(await log(grace)).not.toContain('left')
      expect(await people(grace)).toEqual(['Ada', 'Grace'])
    })

    test('offline, the page says so and marks its list as old; it reconnects at once with the network', async () => {
      const ada = await pages.enter('Ada', 'offline')
      await server.guest('Bob', 'offline')
      await ada.getByText('2 people here').waitFor()
      // From here on no timer fires: only the event can trigger the reconnect.
      await ada.clock.install()
      await ada.clock.pauseAt(Date.now() + 3_600_000)
      await ada.context().setOffline(true)
      await ada.locator('#state[data-state=offline]').waitFor()
      expect(await ada.locator('#state').innerText()).toBe('Offline')
      expect(await ada.locator('#subtitle').innerText()).toBe('2 people were here')
      await ada.getByText('As it was when the connection was lost').waitFor()
      await ada.context().setOffline(false)
      await isOnline(ada)
      expect(await ada.locator('#subtitle').innerText()).toBe('2 people here')
      expect(await ada.locator('#people-stale').isHidden()).toBe(true)
    })

    test('after a restart, the page reconnects at once when it becomes visible, and announces no joins', async () => {
      const [ada, grace] = [await pages.enter('Ada', 'looks'), await pages.enter('Grace', 'looks')]
      await sees(ada, 'Grace joined')
      await ada.clock.install()
      await ada.clock.pauseAt(Date.now() + 3_600_000)
      await server.stop()
      await ada.getByText('The server restarts. Connecting again…').waitFor()
      expect(await ada.locator('#state').innerText()).toBe('Reconnecting')
      await server.start({ CHAT_GRACE: '60000' })
      await ada.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
      await isOnline(ada)
      await isOnline(grace)
      await say(grace, 'hello again')
      await sees(ada, 'hello again')
      await sees(ada, 'Back again')
      expect((await log(ada)).match(/Grace joined/g)).toHaveLength(1)
      expect(await log(grace)).not.toContain('Ada joined')
    })

    test('the answer to a join that comes after leaving changes nothing', async () => {
      const page = await pages.open()
      const opened = page.waitForEvent('websocket')
      await page.getByLabel('Your name').fill('Ada')
      await page.keyboard.press('Enter')
      await isOnline(page)
      const closed = (await opened).waitForEvent('close')
      server.signal('SIGSTOP')
      try {
        await page.getByLabel('Name of a new room').fill('elsewhere')
        await page.keyboard.press('Enter')
        await page.getByRole('button', { name: 'Leave' }).click()
      } finally {
        server.signal('SIGCONT')
      }
      await closed
      expect(await page.evaluate("sessionStorage.getItem('chat')")).toBe(null)
      expect(await page.locator('#entrance').isVisible()).toBe(true)
    })

    test.each([4403, 4410, 1007, 1008, 1009])('does not reconnect by itself after %i', async (code) => {
      const page = await pages.open()
      let connections = 0
      await page.routeWebSocket('**/ws', (socket) => {
        connections++
        void socket.close({ code })
      })
      await page.clock.install()
      await page.getByLabel('Your name').fill('Final')
      await page.keyboard.press('Enter')
      await page.locator('#state[data-state=closed]').waitFor()
      await page.clock.runFor(60_000)
      await page.evaluate("dispatchEvent(new Event('online'))")
      await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
      expect(await page.locator('#state').innerText()).toBe('Closed')
      expect(connections).toBe(1)
      await page.locator('#banner-action').click()
      await eventually(() => connections === 2)
    })

    test.each([1001, 1006, 1011, 1012, 1013])('reconnects by itself after %i', async (code) => {
      const page = await pages.open()
      let connections = 0
      await page.routeWebSocket('**/ws', (socket) => {
        connections++
        void socket.close(code === 1006 ? {} : { code })
      })
      await page.getByLabel('Your name').fill('Again')
      await page.keyboard.press('Enter')
      await eventually(() => connections > 2)
    })
  })
})
